/* instrument.c - maplog lab, inspect, pages and bench: what looks and measures is a program of its
 * own, so that this one stays small. */
#include <fcntl.h>
#include <stdio.h>

#include "base/error.h"
#include "cmd/commands.h"
#include "cmd/report.h"
#include "os/file.h"
#include "os/process.h"

#define PATH_BYTES 4096

int command_instrument(int argc, char **argv)
{
    (void)argc;
    static const char *const places[] = {"maplog-lab", "../libexec/maplog/maplog-lab"};
    char folder[PATH_BYTES], path[PATH_BYTES + 64];
    int result = process_folder(folder, sizeof folder);
    for (size_t i = 0; !result && i < sizeof places / sizeof places[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, places[i]);
        if (file_exists(AT_FDCWD, path))
            result = process_execute(path, argv);
    }
    if (!result)
        result = error_set(MAPLOG_NOT_FOUND,
                           "the program maplog-lab is neither in %s nor in %s/../libexec/maplog; "
                           "install all of maplog (make install), it is a part of it",
                           folder, folder);
    report_note("%s", error_text());
    return EXIT_ERROR;
}
