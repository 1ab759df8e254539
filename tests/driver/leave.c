/* leave.c - `leave CODE` ends the test machine: qemu's isa-debug-exit takes the code at port 0xf4.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/io.h>

int main(int argc, char **argv)
{
    if (argc != 2 || ioperm(0xf4, 1, 1) != 0) {
        fprintf(stderr, "usage: leave CODE, as root of a machine with isa-debug-exit\n");
        return 1;
    }
    outb((unsigned char)strtoul(argv[1], NULL, 10), 0xf4);
    return 1;
}
