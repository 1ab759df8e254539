/* receive_verdict.c - pairs, and what they come to. */
#include "lab/receive_verdict.h"

#define GAIN 0.95  /* less than this share of copy's time or CPU is one, if all pairs agree */
#define WORTH 0.85 /* less than this share of copy's time, on average, is worth the price */

struct receive_comparison receive_compare(const struct receive_point *point)
{
    const struct measured *copy = &point->checked[RECEIVE_COPY];
    const struct measured *direct = &point->checked[RECEIVE_DIRECT];
    struct receive_comparison found = {0};
    found.time = passes_ratio(copy, direct, false, &found.least_time, &found.most_time);
    found.cpu = passes_ratio(copy, direct, true, &found.least_cpu, &found.most_cpu);
    found.known = found.time > 0 && found.cpu > 0;
    if (!found.known)
        return found;
    bool faster = found.time < GAIN && found.most_time < 1;
    bool cheaper = found.cpu < GAIN && found.most_cpu < 1;
    bool slower = found.time > 1 / GAIN && found.least_time > 1;
    bool dearer = found.cpu > 1 / GAIN && found.least_cpu > 1;
    if (slower || dearer)
        found.better = -1;
    else if ((faster || cheaper) && found.time < 1 / GAIN)
        found.better = 1;
    return found;
}

static double cpu_of(const struct receive_point *point, enum receive_way way, double bytes)
{
    return point->checked[way].cpu_seconds / bytes * 1e9;
}

struct receive_verdict receive_judge(const struct receive_point *points, size_t count, double bytes)
{
    struct receive_verdict verdict = {0};
    unsigned pairs = 0;
    double allocated = 0, populated = 0;
    for (size_t i = 0; i < count; i++) {
        struct receive_comparison found = receive_compare(&points[i]);
        if (!found.known)
            continue;
        double copy = cpu_of(&points[i], RECEIVE_COPY, bytes);
        allocated += points[i].pages == SCRATCH_ALLOCATED ? copy : 0;
        populated += points[i].pages == SCRATCH_POPULATED ? copy : 0;
        pairs += points[i].pages == SCRATCH_POPULATED;
        if (points[i].pages < SCRATCH_POPULATED)
            continue;
        verdict.points++;
        verdict.better += found.better > 0;
        verdict.worse += found.better < 0;
        verdict.time += found.time;
        verdict.cpu += found.cpu;
        verdict.direct_saves += copy - cpu_of(&points[i], RECEIVE_DIRECT, bytes);
    }
    if (!verdict.points)
        return verdict;
    verdict.time /= verdict.points;
    verdict.cpu /= verdict.points;
    verdict.direct_saves /= verdict.points;
    verdict.preparing_saves = pairs ? (allocated - populated) / pairs : 0;
    verdict.direct_pays =
        verdict.time < WORTH && verdict.better > verdict.points / 2 && !verdict.worse;
    return verdict;
}
