/* transfer_findings.c - claims beside figures, and advice, all computed from this run. */
#include "lab/transfer_findings.h"

#include <stdio.h>
#include <string.h>

#include "lab/list.h"
#include "lab/median.h"

#define NEAR 1.05   /* figures nearer than that are not told apart */
#define LARGER 1.25 /* a difference worth a word */
#define TYPICAL_CHUNK 65536

const struct transfer_claim transfer_claims[TRANSFER_CLAIMS] = {
    {"said: read + write (4 copies in all)", "copy", 4, 4, 2},
    {"said: mmap + write (3 copies in all)", "mmap", 4, 3, 1},
    {"said: sendfile (3 copies in all)", "sendfile", 2, 3, 1},
    {"said: sendfile with gather (2 copies in all)", "sendfile", 2, 2, 0},
};

static const struct transfer_method *find(const struct transfers *transfers, const char *name)
{
    for (unsigned m = 0; m < transfers->count; m++)
        if (strcmp(transfers->methods[m].name, name) == 0)
            return &transfers->methods[m];
    return NULL;
}

/* NULL: it was not measured. */
static const struct transfer_point *point_of(const struct transfers *transfers, const char *name,
                                             bool local, unsigned chunk)
{
    const struct transfer_method *method = find(transfers, name);
    const struct transfer_point *point = method ? &method->points[local][chunk] : NULL;
    return point && point->rounds && !point->why[0] ? point : NULL;
}

static unsigned typical(const struct transfers *transfers)
{
    unsigned i = 0;
    while (i + 1 < transfers->chunks && transfers->chunk[i] < TYPICAL_CHUNK)
        i++;
    return i;
}

void transfer_say_how(struct sheet *sheet, const struct transfers *transfers)
{
    sheet_say(sheet,
              "One client fetches batches of 1,000 bytes from the page cache, as many as a chunk "
              "holds, by requests that wait at the server before it has answered the last; a GB is "
              "10^9 bytes of records. The server waits with its default engine.");
    sheet_say(sheet,
              "Mode switches are two for each system call that the kernel counted, in runs that "
              "were not timed; those of the server are with what it does beside sending: receiving "
              "requests, waiting, asking whether pages are in memory. Context switches are another "
              "thing, and the kernel counts them too.");
    if (transfers->pinned)
        sheet_say(sheet, "Sender and receiver had a CPU each. Where a sender costs little, GB/s "
                         "are what the receiver can copy out of the socket.");
    else
        sheet_say(sheet, "Sender and receiver shared one CPU.");
}

/* ---- claims ---------------------------------------------------------------------------------- */

static void say_switches(struct sheet *sheet, const struct transfers *transfers, bool local)
{
    unsigned chunk = typical(transfers);
    char list[LIST_BYTES] = "";
    for (size_t i = 0; i + 1 < TRANSFER_CLAIMS; i++) {
        const struct transfer_claim *claim = &transfer_claims[i];
        const struct transfer_point *point = point_of(transfers, claim->method, local, chunk);
        if (point && point->counted[COUNTER_CALLS])
            list_add(list, ", ", "%s %.1f (said: %d)", claim->method,
                     2 * point->counts[COUNTER_CALLS], claim->switches);
    }
    const struct transfer_point *bare = point_of(transfers, "bare sendfile", local, chunk);
    if (!list[0])
        return;
    sheet_say(sheet,
              "Mode switches for a chunk of %zu KiB, all that the server does included: %s. What "
              "is said holds for a call that moves all at once: a socket takes what it has room "
              "for, and the rest is another call.",
              transfers->chunk[chunk] / 1024, list);
    if (bare && bare->counted[COUNTER_CALLS] && bare->counted[COUNTER_SWITCHES])
        sheet_say(sheet,
                  "A bare loop of sendfile has %.1f mode switches for such a chunk and %.2f "
                  "context switches: entering the kernel is not giving up the CPU.",
                  2 * bare->counts[COUNTER_CALLS], bare->counts[COUNTER_SWITCHES]);
}

static void say_copies(struct sheet *sheet, const struct transfers *transfers, bool local)
{
    for (size_t i = 0; i < TRANSFER_CLAIMS; i++) {
        const struct transfer_claim *claim = &transfer_claims[i];
        const struct transfer_proof *proof = transfer_proof_of(transfers, claim->method, local);
        if (!proof || proof->result)
            continue;
        int copies = (int)proof_copies(&proof->proof);
        if (copies == claim->cpu_copies)
            sheet_say(sheet, "\"%s\": holds here, %d by the CPU before the receiver's.",
                      claim->name, copies);
        else
            sheet_say(sheet, "\"%s\": does not hold here, %d by the CPU instead of %d: %s.",
                      claim->name, copies, claim->cpu_copies,
                      copies < claim->cpu_copies
                          ? "this kernel hands the socket references to the file's pages"
                          : "this kernel copies where others hand over references");
    }
    sheet_say(sheet, "The other copies that are said to be made are those of devices, from the "
                     "disk and to the network. Here is neither: the file is in memory, and the "
                     "receiver's CPU copies out of the same pages of memory.");
}

/* Copies take time: the same count, from figures alone. */
static void say_time(struct sheet *sheet, const struct transfers *transfers, bool local)
{
    unsigned chunk = typical(transfers);
    const struct transfer_point *copy = point_of(transfers, "copy", local, chunk);
    const struct transfer_point *map = point_of(transfers, "mmap", local, chunk);
    const struct transfer_point *file = point_of(transfers, "sendfile", local, chunk);
    const struct transfer_point *memory = point_of(transfers, "bare memcpy", local, chunk);
    if (copy && map && file && memory)
        sheet_say(sheet,
                  "The sender's time agrees or not: for a GB in chunks of %zu KiB copy takes %.3f "
                  "CPU seconds, mmap, with a copy less, %.3f, and sendfile, with none, %.3f; a "
                  "bare memcpy takes %.3f.",
                  transfers->chunk[chunk] / 1024, copy->cpu, map->cpu, file->cpu, memory->cpu);
    if (copy && file)
        sheet_say(sheet, "sendfile costs the sender %.1f times less CPU than copy at that size.",
                  copy->cpu / file->cpu);
}

/* Whether a call for more costs less. */
static void say_roof(struct sheet *sheet, const struct transfers *transfers, bool local)
{
    const struct transfer_point *best = NULL, *last = NULL;
    unsigned at = 0, end = 0;
    for (unsigned i = 0; i < transfers->chunks; i++) {
        const struct transfer_point *point = point_of(transfers, "bare sendfile", local, i);
        if (!point)
            continue;
        if (!best || point->cpu < best->cpu) {
            best = point;
            at = i;
        }
        last = point;
        end = i;
    }
    if (best && last->cpu > LARGER * best->cpu)
        sheet_say(sheet,
                  "Calls for more are not cheaper: a bare loop of sendfile takes %.3f CPU seconds "
                  "for a GB by %zu KiB a call, and %.3f by %zu KiB.",
                  best->cpu, transfers->chunk[at] / 1024, last->cpu, transfers->chunk[end] / 1024);
}

void transfer_say_claims(struct sheet *sheet, const struct transfers *transfers, bool local)
{
    say_switches(sheet, transfers, local);
    say_copies(sheet, transfers, local);
    say_time(sheet, transfers, local);
    say_roof(sheet, transfers, local);
}

void transfer_say_proofs(struct sheet *sheet, const struct transfers *transfers)
{
    const struct transfer_proof *zerocopy = &transfers->proofs[0][PROOF_ZEROCOPY];
    sheet_say(
        sheet,
        "Some pages are sent by bare system calls. When a step is over, the bytes change where "
        "it took them from, and only then the other end reads: who reads them as they had "
        "been reads a copy, who reads them changed was sent a reference. Hence what was "
        "handed to sendfile or splice must stay as it is, and records that are published "
        "do.");
    if (!zerocopy->result && zerocopy->proof.notified && zerocopy->proof.notified_copied)
        sheet_say(sheet,
                  "MSG_ZEROCOPY copies all the same on the loopback, and the kernel says so in its "
                  "notice: what a local receiver may keep as long as it likes must not be the "
                  "sender's pages. Over a network card it would not.");
}

/* ---- the best -------------------------------------------------------------------------------- */

static double cpu_of(const struct transfer_point *point)
{
    return point->cpu;
}

static double slowness_of(const struct transfer_point *point)
{
    return 1 / point->rate;
}

typedef double (*transfer_figure)(const struct transfer_point *point);

static bool competes(const struct transfer_method *method)
{
    return method->kind == TRANSFER_SERVER && strcmp(method->name, "auto") != 0;
}

static const struct transfer_method *best_of(const struct transfers *transfers, bool local,
                                             unsigned chunk, transfer_figure figure)
{
    const struct transfer_method *best = NULL;
    double least = 0;
    for (unsigned m = 0; m < transfers->count; m++) {
        const struct transfer_method *method = &transfers->methods[m];
        const struct transfer_point *point = point_of(transfers, method->name, local, chunk);
        if (!competes(method) || !point || (best && figure(point) >= least))
            continue;
        best = method;
        least = figure(point);
    }
    return best;
}

/* What `auto` costs beside the best, round by round; 0: not measured. *least: in its best round. */
static double beside(const struct transfer_point *point, const struct transfer_point *best,
                     transfer_figure figure, double *least)
{
    double ratios[TRANSFER_ROUNDS];
    unsigned rounds = point->rounds < best->rounds ? point->rounds : best->rounds;
    *least = 0;
    for (unsigned i = 0; i < rounds; i++)
        ratios[i] =
            figure == cpu_of ? point->cpus[i] / best->cpus[i] : best->rates[i] / point->rates[i];
    return rounds ? median(ratios, rounds, least, NULL) : 0;
}

static void say_auto(struct sheet *sheet, const struct transfers *transfers, bool local,
                     transfer_figure figure)
{
    char within[LIST_BYTES] = "", spread[LIST_BYTES] = "", behind[LIST_BYTES] = "";
    const char *what = figure == cpu_of ? "the sender's CPU" : "speed";
    for (unsigned i = 0; i < transfers->chunks; i++) {
        const struct transfer_method *best = best_of(transfers, local, i, figure);
        const struct transfer_point *usual = point_of(transfers, "auto", local, i);
        double least;
        if (!best || !usual)
            continue;
        double ratio = beside(usual, &best->points[local][i], figure, &least);
        if (ratio <= NEAR)
            list_add(within, ", ", "%zu KiB", transfers->chunk[i] / 1024);
        else if (least <= 1)
            list_add(spread, ", ", "%zu KiB (%s %.0f %% better)", transfers->chunk[i] / 1024,
                     best->name, 100 * (ratio - 1));
        else
            list_add(behind, ", ", "%zu KiB (%s is %.0f %% better)", transfers->chunk[i] / 1024,
                     best->name, 100 * (ratio - 1));
    }
    if (within[0])
        sheet_say(sheet, "By %s, auto is within 5 %% of the best method at %s.", what, within);
    if (spread[0])
        sheet_say(sheet, "By %s, auto differs by less than its rounds do among each other at %s.",
                  what, spread);
    if (behind[0])
        sheet_say(sheet, "By %s, auto is behind at %s.", what, behind);
}

/* "4 to 16 KiB: mmap" - the best stays the best as long as none is clearly better. */
static void list_best(const struct transfers *transfers, bool local, transfer_figure figure,
                      char list[LIST_BYTES])
{
    for (unsigned i = 0, next; i < transfers->chunks; i = next) {
        const struct transfer_method *best = best_of(transfers, local, i, figure);
        next = i + 1;
        if (!best)
            continue;
        for (; next < transfers->chunks; next++) {
            const struct transfer_method *other = best_of(transfers, local, next, figure);
            const struct transfer_point *same = point_of(transfers, best->name, local, next);
            if (!other || !same || figure(same) > NEAR * figure(&other->points[local][next]))
                break;
        }
        if (next == i + 1)
            list_add(list, ", ", "%zu KiB: %s", transfers->chunk[i] / 1024, best->name);
        else
            list_add(list, ", ", "%zu to %zu KiB: %s", transfers->chunk[i] / 1024,
                     transfers->chunk[next - 1] / 1024, best->name);
    }
}

static void advise(struct sheet *sheet, const struct transfers *transfers, bool local)
{
    const char *over = local ? "Over a Unix socket" : "Over TCP";
    char cheapest[LIST_BYTES] = "", fastest[LIST_BYTES] = "";
    list_best(transfers, local, cpu_of, cheapest);
    list_best(transfers, local, slowness_of, fastest);
    if (cheapest[0])
        sheet_advise(sheet, "%s, what costs the sender least CPU for chunks of %s.", over,
                     cheapest);
    if (fastest[0])
        sheet_advise(sheet, "%s, what brings most to one receiver for chunks of %s.", over,
                     fastest);
}

/* Whether there is anything to choose. */
static void advise_auto(struct sheet *sheet, const struct transfers *transfers, bool local)
{
    unsigned good = 0, all = 0;
    for (unsigned i = 0; i < transfers->chunks; i++) {
        const struct transfer_method *best = best_of(transfers, local, i, cpu_of);
        const struct transfer_point *usual = point_of(transfers, "auto", local, i);
        double least, ratio;
        if (!best || !usual)
            continue;
        ratio = beside(usual, &best->points[local][i], cpu_of, &least);
        good += ratio <= NEAR || least <= 1;
        all++;
    }
    if (all && good == all)
        sheet_advise(sheet, "auto, the default of --send, is as cheap as the best at every size "
                            "here: leave it.");
    else if (all)
        sheet_advise(sheet,
                     "auto, the default of --send, is as cheap as the best at %u of %u "
                     "sizes here; choose another where answers have mostly one of the other "
                     "sizes.",
                     good, all);
}

void transfer_say_best(struct sheet *sheet, const struct transfers *transfers, bool local)
{
    say_auto(sheet, transfers, local, cpu_of);
    say_auto(sheet, transfers, local, slowness_of);
    advise(sheet, transfers, local);
    advise_auto(sheet, transfers, local);
}
