/* control_area.c - see control_area.h. */
#define _GNU_SOURCE 1
#include "control_area.h"

#include "base/error.h"
#include "os/file.h"
#include "os/map.h"
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define BELL_BYTES (LIMIT_PARTITIONS * sizeof(struct bell_word))

static void must(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, error_text());
        abort();
    }
}

void control_area_make(struct control_area *area, enum writer_kind writers, uint32_t partitions)
{
    void *control, *bell;
    must(file_memory("control-area", &area->fd), "memfd");
    must(file_truncate(area->fd, "area", sizeof(struct control) + BELL_BYTES), "truncate");
    must(map_file(area->fd, "area", 0, sizeof(struct control), MAP_MODE_WRITE, &control), "map");
    must(map_file(area->fd, "area", sizeof(struct control), BELL_BYTES, MAP_MODE_WRITE, &bell),
         "map");
    area->control = control;
    area->bell = bell;
    control_format(area->control, writers);
    for (uint32_t i = 0; i < partitions; i++)
        must(control_format_partition(area->control, i, (const uint8_t[16]){1}, i), "format");
}

void control_area_remove(struct control_area *area)
{
    map_remove(area->control, sizeof(struct control));
    map_remove(area->bell, BELL_BYTES);
    file_close(area->fd);
}

void control_area_attach(const struct control_area *area, const char *role,
                         struct control_view *view)
{
    *view = (struct control_view){
        .control = area->control,
        .bell = area->bell,
        .lock_base = LOCK_BASE_ANONYMOUS,
        .path = "area",
        .process = UINT32_MAX,
        .read_only = role == NULL,
    };
    must(file_reopen(area->fd, O_RDWR, &view->lock_fd), "reopen");
    must(process_close_in_child(view->lock_fd), "close in child");
    if (role)
        must(control_take_process(view, role), "take process");
}

void control_area_detach(struct control_view *view)
{
    control_leave_process(view);
    process_keep_in_child(view->lock_fd);
    file_close(view->lock_fd);
}

void control_area_refuse_membarrier(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof rules / sizeof *rules, .filter = rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        perror("seccomp");
        abort();
    }
}
