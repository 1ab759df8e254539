/* proof_test.c - what each way to send copies, on this kernel. */
#include "lab/proof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <maplog.h>
#include <string.h>

#define DIRECTORY "/tmp"

static void read_and_write_copy_twice(void **state)
{
    (void)state;
    struct proof proof;
    for (int local = 0; local < 2; local++) {
        assert_int_equal(proof_run(DIRECTORY, local, PROOF_COPY, &proof), 0);
        assert_int_equal(proof.steps, 2);
        assert_int_equal(proof_copies(&proof), 2);
        assert_non_null(strstr(proof.step[0].name, "read"));
        assert_non_null(strstr(proof.step[1].name, "write"));
    }
}

static void a_mapping_saves_one_of_them(void **state)
{
    (void)state;
    struct proof proof;
    for (int local = 0; local < 2; local++) {
        assert_int_equal(proof_run(DIRECTORY, local, PROOF_MMAP, &proof), 0);
        assert_int_equal(proof_copies(&proof), 1);
    }
}

/* Of every kernel that has sendfile to TCP by reference, which all of this century have. */
static void sendfile_and_splice_to_tcp_copy_nothing(void **state)
{
    (void)state;
    struct proof proof;
    assert_int_equal(proof_run(DIRECTORY, false, PROOF_SENDFILE, &proof), 0);
    assert_int_equal(proof_copies(&proof), 0);
    assert_int_equal(proof_run(DIRECTORY, false, PROOF_SPLICE, &proof), 0);
    assert_int_equal(proof.steps, 2);
    assert_int_equal(proof_copies(&proof), 0);
}

/* What the bytes prove is what the kernel says. */
static void zerocopy_tells_whether_it_copied(void **state)
{
    (void)state;
    struct proof proof;
    int result = proof_run(DIRECTORY, false, PROOF_ZEROCOPY, &proof);
    if (result == MAPLOG_UNSUPPORTED)
        skip();
    assert_int_equal(result, 0);
    assert_true(proof.notified);
    assert_int_equal(proof.step[0].copied, proof.notified_copied);
}

static void unix_sockets_have_no_zerocopy(void **state)
{
    (void)state;
    struct proof proof;
    assert_int_equal(proof_run(DIRECTORY, true, PROOF_ZEROCOPY, &proof), MAPLOG_UNSUPPORTED);
    assert_int_equal(proof_copies(&proof), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_and_write_copy_twice),
        cmocka_unit_test(a_mapping_saves_one_of_them),
        cmocka_unit_test(sendfile_and_splice_to_tcp_copy_nothing),
        cmocka_unit_test(zerocopy_tells_whether_it_copied),
        cmocka_unit_test(unix_sockets_have_no_zerocopy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
