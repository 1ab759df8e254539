/* apis_test.c - the table of what is offered agrees with the schema. */
#include "broker_fixture.h"

#include "broker/apis.h"

static void rows_come_in_order_and_the_schema_knows_them(void **state)
{
    (void)state;
    int16_t previous = -1;
    const struct broker_handler *row;
    int rows = 0;
    while ((row = apis_next(previous))) {
        assert_true(row->key > previous);
        assert_ptr_equal(apis_find(row->key), row);
        assert_non_null(row->handle);
        const struct wire_api *api = wire_api(row->key);
        assert_non_null(api);
        assert_true(row->first_version <= row->last_version);
        assert_true(row->last_version <= api->last_version);
        /* Produce 0 to 2 are listed, and refused. */
        assert_true(row->first_version >= api->first_version || row->key == PRODUCE);
        previous = row->key;
        rows++;
    }
    assert_true(rows > 5);
    assert_null(apis_find(-1));
    assert_null(apis_find(4));
    assert_null(apis_find(INT16_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_in_order_and_the_schema_knows_them)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
