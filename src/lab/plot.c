/* plot.c - writes scripts for gnuplot and reads what it draws. */
#include "lab/plot.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "lab/sheet_inside.h"

#define NAMES 32 /* most lines of a picture, and most labels of its x axis */
#define SVG_LIMIT ((size_t)4 << 20)
#define LABELS_FIT 80 /* characters of all labels in a row, before they are turned */

/* Different texts of a column, in order. */
struct names {
    size_t column, count;
    const char *items[NAMES];
    char numbers[NAMES][CELL_SIZE]; /* what items of numbers point to */
};

struct picture {
    FILE *to;
    const struct sheet *sheet;
    const struct sheet_plot *plot;
    struct names series, labels;
    bool labelled; /* x is a place among the labels, not a number */
    size_t points;
    double largest;
};

/* ---- what there is to draw ------------------------------------------------------------------- */

static bool is_drawn(const struct picture *picture, size_t row)
{
    const struct sheet_cell *y = sheet_cell(picture->sheet, row, (size_t)picture->plot->y);
    const struct sheet_cell *x = sheet_cell(picture->sheet, row, (size_t)picture->plot->x);
    if (y->kind != CELL_NUMBER || (picture->plot->log_y && y->number <= 0))
        return false;
    if (picture->labelled)
        return x->kind == CELL_NUMBER || x->kind == CELL_TEXT;
    return x->kind == CELL_NUMBER && (!picture->plot->log_x || x->number > 0);
}

/* Its place; NAMES when it is not there. */
static size_t find_name(const struct names *names, const char *text)
{
    size_t i = 0;
    while (i < names->count && strcmp(names->items[i], text) != 0)
        i++;
    return i < names->count ? i : NAMES;
}

static void add_name(const struct picture *picture, struct names *names, size_t row)
{
    char *buffer = names->numbers[names->count];
    const char *text = sheet_cell_text(picture->sheet, row, names->column, buffer);
    if (find_name(names, text) == NAMES)
        names->items[names->count++] = text;
}

static void collect(struct picture *picture)
{
    const struct sheet *sheet = picture->sheet;
    size_t x = (size_t)picture->plot->x;
    picture->labels.column = x;
    picture->series.column = (size_t)picture->plot->series;
    picture->labelled = picture->plot->shape == SHEET_BARS;
    for (size_t row = 0; row < sheet->row_count; row++)
        picture->labelled |= sheet_cell(sheet, row, x)->kind == CELL_TEXT;
    for (size_t row = 0; row < sheet->row_count; row++) {
        if (!is_drawn(picture, row))
            continue;
        double y = sheet_cell(sheet, row, (size_t)picture->plot->y)->number;
        picture->largest = y > picture->largest ? y : picture->largest;
        picture->points++;
        if (picture->labels.count < NAMES)
            add_name(picture, &picture->labels, row);
        if (picture->plot->series >= 0 && picture->series.count < NAMES)
            add_name(picture, &picture->series, row);
    }
    if (picture->plot->series < 0) {
        picture->series.items[0] = "";
        picture->series.count = 1;
    }
}

/* ---- the script ------------------------------------------------------------------------------ */

/* In single quotes, where nothing but the quote has a meaning. */
static void put_quoted(FILE *to, const char *text)
{
    putc('\'', to);
    for (; *text; text++) {
        if (*text == '\'')
            putc('\'', to);
        putc((unsigned char)*text < ' ' ? ' ' : *text, to);
    }
    putc('\'', to);
}

static void put_axis(const struct picture *picture, char axis, int column)
{
    const struct sheet_column *head = &picture->sheet->columns[column];
    char label[256];
    snprintf(label, sizeof label, "%.120s%s%.120s", head->name, head->unit[0] ? ", " : "",
             head->unit);
    fprintf(picture->to, "set %clabel ", axis);
    put_quoted(picture->to, label);
    putc('\n', picture->to);
}

static void put_labels(const struct picture *picture)
{
    const struct names *labels = &picture->labels;
    size_t characters = 0;
    for (size_t i = 0; i < labels->count; i++)
        characters += strlen(labels->items[i]) + 2;
    fprintf(picture->to, "set xtics %s(", characters > LABELS_FIT ? "rotate by -30 " : "");
    for (size_t i = 0; i < labels->count; i++) {
        fputs(i ? ", " : "", picture->to);
        put_quoted(picture->to, labels->items[i]);
        if (picture->labelled) {
            fprintf(picture->to, " %zu", i);
            continue;
        }
        for (size_t row = 0; row < picture->sheet->row_count; row++) {
            char buffer[CELL_SIZE];
            if (is_drawn(picture, row) &&
                strcmp(sheet_cell_text(picture->sheet, row, labels->column, buffer),
                       labels->items[i]) == 0) {
                fprintf(picture->to, " %.17g",
                        sheet_cell(picture->sheet, row, labels->column)->number);
                break;
            }
        }
    }
    fputs(")\n", picture->to);
}

static void put_settings(const struct picture *picture, size_t number)
{
    const struct sheet_plot *plot = picture->plot;
    fprintf(picture->to,
            "set encoding utf8\n"
            "set terminal svg size 860,420 dynamic noenhanced rounded font 'sans-serif,13' "
            "name '%s_%zu'\n"
            "set border 3 lc rgb '#888888'\nset tics nomirror\n"
            "set grid ytics lc rgb '#dddddd' lt 1\n%s\n",
            picture->sheet->name, number,
            plot->series >= 0 ? "set key outside right top" : "set key off");
    fputs("set title ", picture->to);
    put_quoted(picture->to, plot->title);
    putc('\n', picture->to);
    put_axis(picture, 'x', plot->x);
    put_axis(picture, 'y', plot->y);
    if (plot->log_x && !picture->labelled)
        fputs("set logscale x\n", picture->to);
    fputs(plot->log_y ? "set logscale y\n" : "set yrange [0:*]\n", picture->to);
    if (picture->largest >= 10000)
        fputs(plot->log_y ? "set format y '%.0s %c'\n" : "set format y '%.1s %c'\n", picture->to);
    if (picture->labelled || plot->log_x)
        put_labels(picture);
    if (picture->labelled)
        fprintf(picture->to, "set xrange [-0.6:%.1f]\n", (double)picture->labels.count - 0.4);
    if (plot->shape == SHEET_BARS)
        fputs("set style fill solid 0.85\n", picture->to);
}

/* The points of one line; true when all of them are of a roof. */
static bool put_points(const struct picture *picture, size_t series)
{
    bool roof = true;
    double width = 0.8 / (double)picture->series.count;
    fprintf(picture->to, "$data%zu << END\n", series);
    for (size_t row = 0; row < picture->sheet->row_count; row++) {
        char buffer[CELL_SIZE];
        if (!is_drawn(picture, row) ||
            (picture->plot->series >= 0 &&
             find_name(&picture->series,
                       sheet_cell_text(picture->sheet, row, picture->series.column, buffer)) !=
                 series))
            continue;
        double x = sheet_cell(picture->sheet, row, picture->labels.column)->number;
        if (picture->labelled)
            x = (double)find_name(
                &picture->labels,
                sheet_cell_text(picture->sheet, row, picture->labels.column, buffer));
        if (picture->plot->shape == SHEET_BARS)
            x += ((double)series - (double)(picture->series.count - 1) / 2) * width;
        fprintf(picture->to, "%.17g %.17g\n", x,
                sheet_cell(picture->sheet, row, (size_t)picture->plot->y)->number);
        roof &= picture->sheet->rows[row].kind == SHEET_ROOF;
    }
    fputs("END\n", picture->to);
    return roof;
}

static void put_series(const struct picture *picture)
{
    /* Okabe and Ito's, which people with any eyes tell apart, darkened where that is needed. */
    static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00",
                                          "#56b4e9", "#8c6d31", "#6a3d9a", "#b2182b", "#7f7f7f"};
    const size_t colour_count = sizeof colours / sizeof colours[0];
    bool roofs[NAMES];
    for (size_t i = 0; i < picture->series.count; i++)
        roofs[i] = put_points(picture, i);
    for (size_t i = 0; i < picture->series.count; i++) {
        fprintf(picture->to, "%s$data%zu using 1:2", i ? ", " : "plot ", i);
        if (picture->plot->shape == SHEET_BARS)
            fprintf(picture->to, ":(%g) with boxes", 0.76 / (double)picture->series.count);
        else
            fprintf(picture->to, " with linespoints lw 2 pt %zu ps 0.5 dt %d",
                    5 + 2 * (i / colour_count), roofs[i] ? 2 : 1);
        fprintf(picture->to, " lc rgb '%s' title ",
                roofs[i] && picture->series.count > 1 ? "#444444" : colours[i % colour_count]);
        put_quoted(picture->to, picture->series.items[i]);
    }
    putc('\n', picture->to);
}

size_t plot_script(FILE *to, const struct sheet *sheet, size_t number)
{
    struct picture picture = {.to = to, .sheet = sheet, .plot = &sheet->plots[number]};
    collect(&picture);
    if (!picture.points)
        return 0;
    put_settings(&picture, number);
    put_series(&picture);
    return picture.points;
}

/* ---- the program ----------------------------------------------------------------------------- */

/* Runs gnuplot from one descriptor to the other; both are closed in it. */
static int start_gnuplot(int from, int to, pid_t *pid)
{
    extern char **environ;
    char name[] = "gnuplot";
    char *words[] = {name, NULL};
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return error_set(MAPLOG_NO_MEMORY, "no memory to start gnuplot");
    posix_spawn_file_actions_adddup2(&actions, from, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    int errnum = posix_spawnp(pid, name, &actions, NULL, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (errnum == ENOENT)
        return error_set(MAPLOG_NOT_FOUND, PLOT_MISSING);
    return errnum ? error_errno(errnum, "cannot start gnuplot") : 0;
}

/* All that comes from the descriptor, with a NUL behind it. */
static char *read_all(int fd)
{
    char *text = malloc(SVG_LIMIT);
    size_t length = 0;
    ssize_t got = 1;
    while (text && length < SVG_LIMIT - 1 &&
           ((got = read(fd, text + length, SVG_LIMIT - 1 - length)) > 0 ||
            (got < 0 && errno == EINTR)))
        length += got > 0 ? (size_t)got : 0;
    if (text)
        text[length] = '\0';
    return text;
}

/* What lies before the element is for files of their own. */
static int take_element(char *text, char **svg)
{
    char *begin = text ? strstr(text, "<svg") : NULL;
    if (!begin || !strstr(begin, "</svg>")) {
        free(text);
        return error_set(MAPLOG_IO, "gnuplot did not draw the picture");
    }
    *svg = memmove(text, begin, strlen(begin) + 1);
    return 0;
}

static int run_gnuplot(int script, char **svg)
{
    int ends[2], status = 0;
    pid_t pid = -1;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_errno(errno, "cannot make a pipe for gnuplot");
    int result = start_gnuplot(script, ends[1], &pid);
    close(ends[1]);
    char *text = result ? NULL : read_all(ends[0]);
    close(ends[0]);
    if (result)
        return result;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return take_element(text, svg);
}

int plot_draw(const struct sheet *sheet, size_t number, char **svg)
{
    *svg = NULL;
    /* A file, not a pipe: gnuplot may write before it has read all. */
    int fd = memfd_create("maplog-lab-plot", MFD_CLOEXEC), reading = dup(fd);
    FILE *script = fd < 0 ? NULL : fdopen(fd, "w");
    size_t points = script ? plot_script(script, sheet, number) : 0;
    int result = 0;
    if (!script || reading < 0 || fflush(script) != 0)
        result = error_errno(errno, "cannot write a script for gnuplot");
    else if (points && lseek(reading, 0, SEEK_SET) == 0)
        result = run_gnuplot(reading, svg);
    if (script)
        fclose(script);
    if (reading >= 0)
        close(reading);
    return result;
}
