#include "os/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

int pipe_open(int ends[static 2])
{
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_set(errno == EMFILE || errno == ENFILE ? MAPLOG_LIMIT : MAPLOG_IO,
                         "cannot make a pipe: %s", strerror(errno));
    return 0;
}
