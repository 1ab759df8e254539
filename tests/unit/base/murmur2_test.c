/* murmur2_test.c - hashes and partitions as Kafka's Java client gives them. */
#include "base/murmur2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void vectors_of_kafkas_own_test(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        int32_t hash;
    } cases[] = {
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal((int32_t)murmur2(cases[i].key, strlen(cases[i].key)), cases[i].hash);
}

static void alignment_does_not_matter(void **state)
{
    (void)state;
    char shifted[64];
    for (size_t shift = 0; shift < 8; shift++) {
        memcpy(shifted + shift, "foobar", 6);
        assert_int_equal((int32_t)murmur2(shifted + shift, 6), -790332482);
    }
}

static void partition_drops_the_sign_bit(void **state)
{
    (void)state;
    for (int32_t partitions = 1; partitions < 100; partitions++)
        assert_int_equal(murmur2_partition("21", 2, partitions),
                         (-973932308 & 0x7fffffff) % partitions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_kafkas_own_test),
        cmocka_unit_test(alignment_does_not_matter),
        cmocka_unit_test(partition_drops_the_sign_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
