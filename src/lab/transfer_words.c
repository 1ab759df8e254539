/* transfer_words.c - medians, and the tables. transfer_findings.c says what they mean. */
#include "lab/transfer_words.h"

#include <string.h>

#include "lab/median.h"
#include "lab/transfer_findings.h"

/* ---- medians --------------------------------------------------------------------------------- */

static void settle(struct transfer_point *point)
{
    if (!point->rounds || point->why[0])
        return;
    double least, most;
    point->rate = median(point->rates, point->rounds, NULL, NULL);
    point->cpu = median(point->cpus, point->rounds, &least, &most);
    point->spread = (most - least) / point->cpu;
}

const struct transfer_proof *transfer_proof_of(const struct transfers *transfers, const char *name,
                                               bool local)
{
    for (int way = 0; way < PROOF_WAYS; way++)
        if (strcmp(name, proof_name((enum proof_way)way)) == 0)
            return &transfers->proofs[local][way];
    return NULL;
}

void transfer_settle(struct transfers *transfers)
{
    for (unsigned m = 0; m < transfers->count; m++)
        for (int local = 0; local < 2; local++)
            for (unsigned i = 0; i < transfers->chunks; i++)
                settle(&transfers->methods[m].points[local][i]);
}

/* ---- the table of a kind of socket ----------------------------------------------------------- */

static void put_count(struct sheet *sheet, const struct transfer_point *point, enum counter counter,
                      double times)
{
    if (point->counted[counter])
        sheet_number(sheet, point->counts[counter] * times);
    else
        sheet_refused(sheet, "%s", point->refusals[counter]);
}

/* The copies that were proven of the way a method goes. */
static void put_copies(struct sheet *sheet, const struct transfers *transfers,
                       const struct transfer_method *method, bool local)
{
    const char *name = method->kind == TRANSFER_STREAM ? "sendfile" : method->name;
    const struct transfer_proof *proof = transfer_proof_of(transfers, name, local);
    if (method->kind == TRANSFER_MEMCPY)
        sheet_number(sheet, 1);
    else if (!proof)
        sheet_refused(sheet, "those of the method by which it sends this size");
    else if (proof->result)
        sheet_refused(sheet, "%s", proof->why);
    else
        sheet_number(sheet, proof_copies(&proof->proof));
}

static void put_point(struct sheet *sheet, const struct transfers *transfers,
                      const struct transfer_method *method, bool local, unsigned i)
{
    const struct transfer_point *point = &method->points[local][i];
    double chunk = (double)transfers->chunk[i];
    sheet_row(sheet, method->kind == TRANSFER_SERVER ? SHEET_MEASURED : SHEET_ROOF);
    sheet_text(sheet, "%s", method->name);
    sheet_number(sheet, chunk / 1024);
    if (point->why[0]) {
        sheet_refused(sheet, "%s", point->why);
        return;
    }
    if (!point->rounds)
        return;
    sheet_number(sheet, point->rate);
    sheet_number(sheet, point->cpu);
    sheet_number(sheet, 100 * point->spread);
    put_copies(sheet, transfers, method, local);
    if (method->kind == TRANSFER_MEMCPY)
        return;
    put_count(sheet, point, COUNTER_CALLS, 2);
    put_count(sheet, point, COUNTER_CALLS, 1);
    put_count(sheet, point, COUNTER_CALLS, 1e9 / chunk);
    put_count(sheet, point, COUNTER_SWITCHES, 1e9 / chunk);
}

static void put_claims(struct sheet *sheet)
{
    for (size_t i = 0; i < TRANSFER_CLAIMS; i++) {
        const struct transfer_claim *claim = &transfer_claims[i];
        sheet_row(sheet, SHEET_CLAIM);
        sheet_text(sheet, "%s", claim->name);
        for (int empty = 0; empty < 4; empty++)
            sheet_text(sheet, "%s", "");
        sheet_number(sheet, claim->cpu_copies);
        sheet_number(sheet, claim->switches);
    }
}

static void put_points(struct sheet *sheet, const struct transfers *transfers, bool local)
{
    static const struct sheet_column columns[] = {
        {"method", "", 0},
        {"chunk", "KiB", 0},
        {"speed", "GB/s", 2},
        {"sender CPU", "s/GB", 3},
        {"spread of CPU", "%", 0},
        {"copies by the CPU", "before the receiver's", 0},
        {"mode switches", "per chunk", 1},
        {"system calls", "per chunk", 2},
        {"system calls", "per GB", 0},
        {"context switches", "per GB", 0},
    };
    static const struct sheet_plot plots[] = {
        {"the sender's CPU seconds for a GB, by size of chunks", SHEET_LINES, 1, 3, 0, true, true},
        {"GB/s, by size of chunks", SHEET_LINES, 1, 2, 0, true, false},
    };
    sheet_columns(sheet, columns, sizeof columns / sizeof columns[0]);
    for (unsigned m = 0; m < transfers->count; m++)
        for (unsigned i = 0; i < transfers->chunks; i++)
            put_point(sheet, transfers, &transfers->methods[m], local, i);
    put_claims(sheet);
    for (size_t i = 0; i < sizeof plots / sizeof plots[0]; i++)
        sheet_plot(sheet, &plots[i]);
}

/* ---- the table of proofs --------------------------------------------------------------------- */

static void put_proof(struct sheet *sheet, const struct transfer_proof *proof, const char *way,
                      const char *socket)
{
    for (unsigned i = 0; i < proof->proof.steps; i++) {
        const struct proof_step *step = &proof->proof.step[i];
        sheet_row(sheet, SHEET_MEASURED);
        sheet_text(sheet, "%s", way);
        sheet_text(sheet, "%s", socket);
        sheet_text(sheet, "%s", step->name);
        sheet_text(sheet, "%s", step->copied ? "as they had been" : "changed");
        sheet_text(sheet, "%s", step->copied ? "copied" : "not copied");
        if (proof->proof.notified)
            sheet_text(sheet, "%s", proof->proof.notified_copied ? "copied" : "not copied");
    }
    if (!proof->result)
        return;
    sheet_row(sheet, SHEET_MEASURED);
    sheet_text(sheet, "%s", way);
    sheet_text(sheet, "%s", socket);
    sheet_text(sheet, "%s", "");
    sheet_refused(sheet, "%s", proof->why);
}

void transfer_proof_words(struct sheet *sheet, const struct transfers *transfers)
{
    static const struct sheet_column columns[] = {
        {"method", "", 0},        {"socket", "", 0},    {"step", "", 0},
        {"bytes arrived", "", 0}, {"so it was", "", 0}, {"the kernel says", "", 0},
    };
    sheet_columns(sheet, columns, sizeof columns / sizeof columns[0]);
    for (int way = 0; way < PROOF_WAYS; way++)
        for (int local = 0; local < 2; local++)
            put_proof(sheet, &transfers->proofs[local][way], proof_name((enum proof_way)way),
                      local ? "Unix" : "TCP");
    transfer_say_proofs(sheet, transfers);
}

void transfer_words(struct sheet *sheet, const struct transfers *transfers, bool local)
{
    put_points(sheet, transfers, local);
    if (!local)
        transfer_say_how(sheet, transfers);
    transfer_say_claims(sheet, transfers, local);
    transfer_say_best(sheet, transfers, local);
}
