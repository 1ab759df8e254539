/* subject.c - fork, counters, exec; its notes in a file, since nobody reads a pipe meanwhile. */
#include "lab/subject.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/socket.h"

#define START_MS 10000
#define STOP_MS 5000
#define LOOK_NS 1000000 /* between two looks at a process that begins or ends */
#define SAID 8192       /* bytes of its notes that are looked at */
#define LISTENERS "listeners="
#define BACKLOG 1024

struct subject {
    pid_t pid; /* -1: none */
    bool is_program;
    bool counting;
    int notes; /* memory file, its standard error */
    struct counters counters;
    char addresses[2][SOCKET_TEXT]; /* TCP, Unix */
    char path[SOCKET_TEXT];         /* of the Unix socket */
    char said[SAID];
};

/* ---- the child ------------------------------------------------------------------------------- */

static void execute(const struct subject_options *options, const struct subject *subject)
{
    const char *words[20] = {
        options->program,        "serve",    "--data",      options->data, "--set",
        "num.network.threads=1", "--listen", "127.0.0.1:0", "--listen",    subject->addresses[1]};
    size_t count = 10;
    if (options->engine) {
        words[count++] = "--io";
        words[count++] = options->engine;
    }
    if (options->send) {
        words[count++] = "--send";
        words[count++] = options->send;
    }
    dup2(subject->notes, STDERR_FILENO);
    execv(options->program, (char *const *)words);
    dprintf(STDERR_FILENO, "cannot execute %s: %s\n", options->program, strerror(errno));
}

/* gate: readable when the counters are open. */
static void run_child(const struct subject_options *options, const struct subject *subject,
                      int gate, int listener)
{
    char go;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0); /* ^C is for the lab, which then ends it */
    pins_move_child(options->pins);
    if (read(gate, &go, 1) != 1)
        _exit(1);
    if (subject->is_program)
        execute(options, subject);
    else
        options->serve(listener, options->context);
    _exit(1);
}

static int fork_child(const struct subject_options *options, struct subject *subject, int listener)
{
    int gate[2];
    if (pipe2(gate, O_CLOEXEC) != 0)
        return error_errno(errno, "cannot make a pipe");
    subject->pid = fork();
    int errnum = errno;
    if (subject->pid == 0) {
        close(gate[1]);
        run_child(options, subject, gate[0], listener);
    }
    close(gate[0]);
    if (subject->pid > 0) {
        if (options->counted)
            counters_open(&subject->counters, subject->pid);
        subject->counting = options->counted;
        if (write(gate[1], "", 1) != 1)
            errnum = errno; /* it has ended: whoever waits for it will see that */
    }
    close(gate[1]);
    return subject->pid > 0 ? 0 : error_errno(errnum, "cannot start a process");
}

/* ---- its notes ------------------------------------------------------------------------------- */

static void read_notes(struct subject *subject)
{
    ssize_t got = pread(subject->notes, subject->said, SAID - 1, 0);
    subject->said[got > 0 ? got : 0] = '\0';
}

const char *subject_complaint(struct subject *subject)
{
    read_notes(subject);
    char *next, *line = subject->said;
    for (; *line; line = next) {
        next = line + strcspn(line, "\n");
        if (*next)
            *next++ = '\0';
        const char *words = strchr(line, ' ');
        if (words && (strncmp(words, " W ", 3) == 0 || strncmp(words, " E ", 3) == 0))
            return words + 3;
    }
    return "";
}

/* Of one that refuses to begin: its first line, without its name. */
static int pass_refusal(struct subject *subject)
{
    static const char name[] = "maplog: ";
    read_notes(subject);
    const char *text = subject->said;
    if (strncmp(text, name, sizeof name - 1) == 0)
        text += sizeof name - 1;
    int length = (int)strcspn(text, "\n");
    if (!length)
        return error_set(MAPLOG_CLOSED, "the server ended without a word");
    return error_set(MAPLOG_UNSUPPORTED, "%.*s", length, text);
}

static bool hear_address(struct subject *subject)
{
    read_notes(subject);
    const char *at = strstr(subject->said, LISTENERS);
    if (!at || !strchr(at, '\n'))
        return false;
    at += sizeof LISTENERS - 1;
    snprintf(subject->addresses[0], SOCKET_TEXT, "%.*s", (int)strcspn(at, ", \n"), at);
    return true;
}

static bool has_ended(struct subject *subject)
{
    if (subject->pid > 0 && waitpid(subject->pid, NULL, WNOHANG) == subject->pid)
        subject->pid = -1;
    return subject->pid < 0;
}

static int await_program(struct subject *subject)
{
    for (int64_t end = clock_monotonic_ms() + START_MS; clock_monotonic_ms() < end;) {
        if (hear_address(subject))
            return 0;
        if (has_ended(subject))
            return pass_refusal(subject);
        clock_sleep_ns(LOOK_NS);
    }
    return error_set(MAPLOG_TIMED_OUT, "it did not listen within %d s", START_MS / 1000);
}

/* ---- beginning and ending -------------------------------------------------------------------- */

static int start_program(const struct subject_options *options, struct subject *subject)
{
    int result = fork_child(options, subject, -1);
    return result ? result : await_program(subject);
}

static int start_roof(const struct subject_options *options, struct subject *subject)
{
    int listeners[SOCKET_LISTENERS];
    int count =
        socket_listen(options->local ? subject->addresses[1] : "127.0.0.1:0", BACKLOG, listeners);
    if (count < 0)
        return count;
    if (!options->local)
        socket_local(listeners[0], subject->addresses[0]);
    int result = fork_child(options, subject, listeners[0]);
    close(listeners[0]); /* and not its name: the child listens */
    return result;
}

int subject_start(const struct subject_options *options, struct subject **subject)
{
    struct subject *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a server");
    made->pid = made->notes = -1;
    made->is_program = options->program;
    snprintf(made->path, sizeof made->path, "%s/server.sock", options->directory);
    snprintf(made->addresses[1], SOCKET_TEXT, "unix://%.*s", SOCKET_TEXT - 8, made->path);
    int result = file_memory("notes", &made->notes);
    if (!result)
        result = made->is_program ? start_program(options, made) : start_roof(options, made);
    if (result) {
        char text[ERROR_TEXT_SIZE];
        snprintf(text, sizeof text, "%s", error_text());
        subject_stop(made);
        return error_set(result, "%s", text);
    }
    *subject = made;
    return 0;
}

static int end_process(struct subject *subject)
{
    if (subject->is_program) {
        kill(subject->pid, SIGTERM);
        for (int64_t end = clock_monotonic_ms() + STOP_MS; clock_monotonic_ms() < end;) {
            if (has_ended(subject))
                return 0;
            clock_sleep_ns(LOOK_NS);
        }
    }
    kill(subject->pid, SIGKILL);
    waitpid(subject->pid, NULL, 0);
    return subject->is_program
               ? error_set(MAPLOG_TIMED_OUT, "it did not end within %d s and was killed",
                           STOP_MS / 1000)
               : 0;
}

int subject_stop(struct subject *subject)
{
    if (!subject)
        return 0;
    int result = has_ended(subject) ? 0 : end_process(subject);
    if (subject->counting)
        counters_close(&subject->counters);
    if (subject->notes >= 0)
        close(subject->notes);
    unlink(subject->path); /* of one that was killed */
    free(subject);
    return result;
}

const char *subject_address(const struct subject *subject, bool local)
{
    return subject->addresses[local];
}

/* ---- what it uses ---------------------------------------------------------------------------- */

int subject_use(const struct subject *subject, struct subject_use *use)
{
    clockid_t clock;
    struct timespec used;
    memset(use, 0, sizeof *use);
    if (clock_getcpuclockid(subject->pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return error_set(MAPLOG_CLOSED, "the server has ended");
    use->cpu_seconds = (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
    for (int i = 0; i < COUNTERS && subject->counting; i++)
        use->counted[i] = counters_read(&subject->counters, (enum counter)i, &use->counts[i]);
    return 0;
}

const char *subject_refusal(const struct subject *subject, enum counter counter)
{
    return subject->counting ? counters_refusal(&subject->counters, counter) : NULL;
}

/* The number behind a name in a file of the kernel's; -1: it is not there. */
static long read_field(pid_t pid, const char *file, const char *name)
{
    char path[64], line[256];
    long value = -1;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    FILE *from = fopen(path, "re");
    size_t length = strlen(name);
    while (from && value < 0 && fgets(line, sizeof line, from))
        if (strncmp(line, name, length) == 0)
            value = strtol(line + length, NULL, 10);
    if (from)
        fclose(from);
    return value;
}

int subject_size(const struct subject *subject, struct subject_size *size)
{
    long kib = read_field(subject->pid, "smaps_rollup", "Pss_Anon:");
    if (kib < 0)
        kib = read_field(subject->pid, "status", "RssAnon:"); /* before Linux 5.4 */
    long threads = read_field(subject->pid, "status", "Threads:");
    if (kib < 0 || threads < 0)
        return error_set(MAPLOG_IO, "the kernel does not say how large the process is");
    *size = (struct subject_size){(uint64_t)kib << 10, (unsigned)threads};
    return 0;
}
