/* machine.c - /proc and /sys, in a few words. */
#include "lab/machine.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "os/process.h"

#define LINE 4096
#define QUIET_PERCENT 5.0 /* of all CPUs: what others may use on a machine that counts as quiet */
#define QUIET_LOAD 0.5    /* for each CPU */

/* ---- files of the kernel --------------------------------------------------------------------- */

static bool read_line(const char *path, char line[static MACHINE_TEXT])
{
    FILE *file = fopen(path, "re");
    bool there = file && fgets(line, MACHINE_TEXT, file);
    if (file)
        fclose(file);
    if (there)
        line[strcspn(line, "\n")] = '\0';
    return there;
}

/* What stands behind "name ... : " in a file. */
static bool read_field(const char *path, const char *name, char value[static MACHINE_TEXT])
{
    char line[LINE];
    bool found = false;
    FILE *file = fopen(path, "re");
    while (file && !found && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        found = colon && strncmp(line, name, strlen(name)) == 0;
        if (found) {
            colon += 1 + strspn(colon + 1, " \t");
            snprintf(value, MACHINE_TEXT, "%.*s", (int)strcspn(colon, "\n"), colon);
        }
    }
    if (file)
        fclose(file);
    return found;
}

/* ---- facts ----------------------------------------------------------------------------------- */

/* The text of a new fact. */
static char *fact(struct machine *machine, const char *name)
{
    struct machine_fact *added = &machine->facts[machine->count++];
    added->name = name;
    return added->text;
}

static void look_at_processor(struct machine *machine, const struct utsname *names)
{
    char model[MACHINE_TEXT];
    if (!read_field("/proc/cpuinfo", "model name", model) &&
        !read_field("/proc/cpuinfo", "cpu model", model) &&
        !read_line("/proc/device-tree/model", model))
        snprintf(model, sizeof model, "unknown");
    snprintf(fact(machine, "CPU"), MACHINE_TEXT, "%.180s (%.60s)", model, names->machine);
    unsigned online = process_cpus_online(), ours = process_cpus();
    char *text = fact(machine, "CPUs");
    if (online == ours)
        snprintf(text, MACHINE_TEXT, "%u", online);
    else
        snprintf(text, MACHINE_TEXT, "%u, of which the lab may use %u", online, ours);
}

static void look_at_memory(struct machine *machine)
{
    char kib[MACHINE_TEXT];
    if (read_field("/proc/meminfo", "MemTotal", kib))
        snprintf(fact(machine, "memory"), MACHINE_TEXT, "%.1f GiB", strtod(kib, NULL) / (1 << 20));
}

/* A hypervisor, as far as the machine lets it be seen. */
static void look_at_virtualisation(struct machine *machine)
{
    char flags[MACHINE_TEXT * 16] = "", line[LINE], vendor[MACHINE_TEXT] = "",
                              product[MACHINE_TEXT] = "", type[MACHINE_TEXT];
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file && !flags[0] && fgets(line, sizeof line, file))
        if (strncmp(line, "flags", 5) == 0)
            snprintf(flags, sizeof flags, "%s", line);
    if (file)
        fclose(file);
    read_line("/sys/class/dmi/id/sys_vendor", vendor);
    read_line("/sys/class/dmi/id/product_name", product);
    char *text = fact(machine, "virtualisation");
    if (read_line("/sys/hypervisor/type", type))
        snprintf(text, MACHINE_TEXT, "%s", type);
    else if (strstr(flags, " hypervisor"))
        snprintf(text, MACHINE_TEXT, "a virtual machine%s%.100s%s%.100s",
                 vendor[0] || product[0] ? ": " : "", vendor, vendor[0] ? " " : "", product);
    else
        snprintf(text, MACHINE_TEXT, "none to be seen");
}

/* "Mitigation: ..." and "Vulnerable" make system calls and switches dearer or not. */
static void look_at_mitigations(struct machine *machine)
{
    static const char folder[] = "/sys/devices/system/cpu/vulnerabilities";
    DIR *directory = opendir(folder);
    char *text = fact(machine, "mitigations");
    if (!directory) {
        snprintf(text, MACHINE_TEXT, "the kernel does not tell");
        return;
    }
    size_t length = 0;
    unsigned vulnerable = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[MACHINE_TEXT * 2], line[MACHINE_TEXT];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.' || !read_line(path, line))
            continue;
        vulnerable += strncmp(line, "Vulnerable", 10) == 0;
        if (strncmp(line, "Mitigation", 10) == 0 && length < MACHINE_TEXT - 64)
            length += (size_t)snprintf(text + length, MACHINE_TEXT - length, "%s%.40s",
                                       length ? ", " : "", entry->d_name);
    }
    closedir(directory);
    if (!length)
        length = (size_t)snprintf(text, MACHINE_TEXT, "none");
    if (vulnerable)
        snprintf(text + length, MACHINE_TEXT - length, "; %u left open", vulnerable);
}

/* Type of the file system that a directory lies in: the mount point that is its longest prefix. */
static void look_at_scratch(struct machine *machine, const char *scratch)
{
    char line[LINE], type[48] = "unknown", real[4096];
    size_t longest = 0;
    if (!realpath(scratch, real))
        snprintf(real, sizeof real, "%s", scratch);
    FILE *file = fopen("/proc/self/mountinfo", "re");
    while (file && fgets(line, sizeof line, file)) {
        char point[LINE];
        const char *dash = strstr(line, " - ");
        if (!dash || sscanf(line, "%*s %*s %*s %*s %4095s", point) != 1)
            continue;
        size_t length = strcmp(point, "/") == 0 ? 0 : strlen(point);
        if (length >= longest && strncmp(real, point, length) == 0 &&
            (real[length] == '/' || !real[length])) {
            longest = length;
            snprintf(type, sizeof type, "%.*s", (int)strcspn(dash + 3, " "), dash + 3);
        }
    }
    if (file)
        fclose(file);
    snprintf(fact(machine, "scratch files"), MACHINE_TEXT, "in %.180s (%s), and in /dev/shm",
             scratch, type);
}

/* ---- how busy it is -------------------------------------------------------------------------- */

/* Ticks of all CPUs since the start: not idle (and stolen), and all. */
static bool read_ticks(uint64_t *busy, uint64_t *all)
{
    char line[MACHINE_TEXT];
    if (!read_line("/proc/stat", line) || strncmp(line, "cpu ", 4) != 0)
        return false;
    char *at = line + 4;
    *busy = *all = 0;
    for (int i = 0; i < 8; i++) { /* user nice system idle iowait irq softirq steal */
        uint64_t ticks = strtoull(at, &at, 10);
        *all += ticks;
        *busy += i == 3 || i == 4 ? 0 : ticks;
    }
    return true;
}

/* CPU seconds of this process and of the children that have ended. */
static double own_seconds(void)
{
    double seconds = 0;
    static const int whose[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
    for (int i = 0; i < 2; i++) {
        struct rusage usage;
        getrusage(whose[i], &usage);
        seconds += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    }
    return seconds;
}

void machine_look(struct machine *machine, const char *scratch)
{
    struct utsname names;
    memset(machine, 0, sizeof *machine);
    uname(&names);
    look_at_processor(machine, &names);
    look_at_memory(machine);
    snprintf(fact(machine, "kernel"), MACHINE_TEXT, "%s %s", names.sysname, names.release);
    look_at_virtualisation(machine);
    look_at_mitigations(machine);
    look_at_scratch(machine, scratch);
    double load[3] = {0};
    getloadavg(load, 3);
    machine->load = load[0];
    snprintf(fact(machine, "load average"), MACHINE_TEXT, "%.2f, %.2f, %.2f", load[0], load[1],
             load[2]);
    machine->others_percent = -1;
    read_ticks(&machine->busy_ticks, &machine->all_ticks);
}

void machine_finish(struct machine *machine)
{
    uint64_t busy, all;
    if (!read_ticks(&busy, &all) || all <= machine->all_ticks)
        return;
    double span = (double)(all - machine->all_ticks);
    double others =
        (double)(busy - machine->busy_ticks) - own_seconds() * (double)sysconf(_SC_CLK_TCK);
    machine->others_percent = others > 0 ? 100 * others / span : 0;
}

const char *machine_complaint(const struct machine *machine, char text[static MACHINE_TEXT])
{
    if (machine->others_percent > QUIET_PERCENT)
        snprintf(text, MACHINE_TEXT,
                 "This machine was not quiet: something else used %.0f %% of its CPUs meanwhile. "
                 "Figures are worse than they would be alone.",
                 machine->others_percent);
    else if (machine->load > QUIET_LOAD * process_cpus_online())
        snprintf(text, MACHINE_TEXT,
                 "This machine was not quiet shortly before: its load average was %.2f.",
                 machine->load);
    else
        return NULL;
    return text;
}
