/* uuid_test.c - Kafka's text form. */
#include "base/uuid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static void known_texts(void **state)
{
    (void)state;
    /* Java: new Uuid(0, 0), new Uuid(0, 1) and new Uuid(-1, -1), toString(). */
    struct uuid id = {{0}};
    char text[UUID_TEXT_SIZE];
    uuid_format(&id, text);
    assert_string_equal(text, "AAAAAAAAAAAAAAAAAAAAAA");
    id.bytes[15] = 1;
    uuid_format(&id, text);
    assert_string_equal(text, "AAAAAAAAAAAAAAAAAAAAAQ");
    memset(id.bytes, 0xff, sizeof id.bytes);
    uuid_format(&id, text);
    assert_string_equal(text, "_____________________w");
}

static void text_goes_there_and_back(void **state)
{
    (void)state;
    for (int round = 0; round < 1000; round++) {
        struct uuid id, back;
        char text[UUID_TEXT_SIZE];
        for (unsigned i = 0; i < sizeof id.bytes; i++)
            id.bytes[i] = (uint8_t)rand();
        uuid_format(&id, text);
        assert_int_equal(strlen(text), UUID_TEXT_SIZE - 1);
        assert_true(uuid_parse(text, &back));
        assert_memory_equal(&back, &id, sizeof id);
    }
}

static void other_texts_are_refused_and_leave_the_id_alone(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "AAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAA+AAAAAAAAAAA",
        "AAAAAAAAAA/AAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAA==",
        "AAAAAAAAAAA AAAAAAAAAA",
    };
    struct uuid id, before;
    memset(&id, 0x5a, sizeof id);
    before = id;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_false(uuid_parse(texts[i], &id));
    assert_memory_equal(&id, &before, sizeof id);
}

static void random_ids_are_version_4_and_do_not_begin_with_a_dash(void **state)
{
    (void)state;
    uint8_t random[16];
    for (int first = 0; first < 256; first++) {
        memset(random, first ^ 0xff, sizeof random);
        random[0] = (uint8_t)first;
        struct uuid id = uuid_from_random(random);
        char text[UUID_TEXT_SIZE];
        uuid_format(&id, text);
        assert_int_equal(id.bytes[6] >> 4, 4);
        assert_int_equal(id.bytes[8] >> 6, 2);
        assert_int_not_equal(text[0], '-');
        assert_int_equal(id.bytes[15], random[15]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts),
        cmocka_unit_test(text_goes_there_and_back),
        cmocka_unit_test(other_texts_are_refused_and_leave_the_id_alone),
        cmocka_unit_test(random_ids_are_version_4_and_do_not_begin_with_a_dash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
