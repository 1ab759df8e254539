/* trust_test.c - which control files are believed, and which partitions fit what is said of them.
 */
#include "log_fixture.h"

#include "log/attach.h"
#include "log/trust.h"
#include "os/map.h"

#define NOW 1700000000000ll

static struct control_header *header(void)
{
    return &log_directory->view.control->header;
}

static struct trust look(void)
{
    struct trust now;
    assert_ok(trust_look(log_directory->fd, CONTROL_FILE, &now));
    return now;
}

static void a_control_file_is_believed_where_it_was_made(void **state)
{
    (void)state;
    struct trust now = look();
    assert_true(trust_header(header(), &now));
    assert_true(now.born != 0);
    /* Everything about it counts. */
    uint8_t *words[] = {now.boot_id,           now.boot_id + 15,      (uint8_t *)&now.device,
                        (uint8_t *)&now.inode, (uint8_t *)&now.mount, (uint8_t *)&now.born + 7};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        *words[i] ^= 1;
        assert_false(trust_header(header(), &now));
        *words[i] ^= 1;
    }
    now.backdated = true;
    assert_false(trust_header(header(), &now));
    now.backdated = false;
    struct control_header changed = *header();
    assert_true(trust_header(&changed, &now));
    changed.magic ^= 1;
    assert_false(trust_header(&changed, &now));
    changed = *header();
    changed.version++;
    assert_false(trust_header(&changed, &now));
    changed = *header();
    changed.mutex_abi++;
    assert_false(trust_header(&changed, &now));
    changed = *header();
    changed.session = 1; /* somebody died while recovering */
    assert_false(trust_header(&changed, &now));
}

static void run(const char *command, const char *from, const char *to)
{
    char line[400];
    snprintf(line, sizeof line, "%s %s%s %s%s", command, log_path, from, log_path, to);
    if (system(line) != 0)
        fail_msg("%s", line);
}

static void a_file_that_was_copied_over_is_not(void **state)
{
    (void)state;
    struct trust now = look();
    log_fill(log_topic("t", NULL, NULL, NULL), 1, 10, NOW); /* stores do not count */
    assert_ok(map_sync(log_directory->view.control, sizeof(struct control), "control"));
    log_fill(log_partition(log_directory, "t"), 1, 10, NOW);
    struct trust later = look();
    assert_true(trust_header(header(), &later));
    assert_int_equal(later.born, now.born);
    /* The same bytes, over the same file, and as a new file. */
    run("cp -a", "/maplog.control", "/copy");
    run("touch -d @1000000", "/copy", "/copy");
    run("cp -a", "/copy", "/maplog.control");
    now = look();
    assert_true(now.backdated);
    assert_int_equal(now.inode, later.inode);
    assert_false(trust_header(header(), &now));
    run("mv", "/maplog.control", "/old");
    run("cp", "/old", "/maplog.control");
    now = look();
    assert_false(trust_header(header(), &now));
    /* The old number again. */
    now.inode = later.inode;
    assert_true(now.born != later.born);
    assert_false(trust_header(header(), &now));
    assert_code(MAPLOG_NOT_FOUND, trust_look(log_directory->fd, "none", &now));
}

static struct partition *make(int records)
{
    struct partition *partition =
        log_topic("t", "segment.bytes=8192", "index.interval.bytes=500", NULL);
    if (records)
        log_fill(partition, records, 300, NOW); /* 22 a segment */
    return partition;
}

static void every_true_tail_is_believed(void **state)
{
    (void)state;
    struct partition *partition = make(0);
    assert_true(trust_partition(partition));
    for (int i = 0; i < 120; i++) {
        log_fill(partition, 1, 300, NOW);
        assert_true(trust_partition(partition));
    }
    assert_ok(partition_delete_records(partition, 100));
    assert_true(trust_partition(partition));
    struct writer writer;
    writer_open(partition, &writer);
    assert_ok(appender_roll(&writer.appender));
    assert_true(trust_partition(partition));
    assert_ok(partition_delete_records(partition, -1));
    assert_true(trust_partition(partition));
    /* What a writer leaves that dies: half a batch, a segment that was only made. */
    writer_put(&writer, 300, NOW);
    struct partition_end end;
    partition_end(partition, &end);
    memset(partition->active->log + end.position, 0x5a, 200);
    assert_true(trust_partition(partition));
    struct segment *segment;
    assert_ok(partition->store->create(partition, end.offset, 8192, &segment));
    assert_true(trust_partition(partition));
    struct segment_sizes sizes = segment_allocation(65536);
    assert_ok(partition->store->allocate(segment, &sizes));
    assert_true(trust_partition(partition));
    segment_drop(segment);
    writer_close(&writer);
}

/* A whole batch behind the end is a dead writer's if somebody died inside; two are not. */
static void an_unpublished_batch_needs_a_dead_writer(void **state)
{
    (void)state;
    struct partition *partition = make(3);
    struct partition_end end;
    partition_end(partition, &end);
    uint8_t *log = partition->active->log;
    uint32_t size = bytes_load32(log + BATCH_LENGTH) + BATCH_PREFIX_BYTES;
    memcpy(log + end.position, log, size);
    bytes_store64(log + end.position + BATCH_BASE_OFFSET, (uint64_t)end.offset);
    assert_false(trust_partition(partition));
    uint32_t seat;
    assert_ok(control_take_seat(&log_directory->view, &seat));
    _Atomic uint32_t *inside = &log_directory->view.control->seats[seat].in_append;
    store_relaxed(inside, partition->slot + 1);
    assert_true(trust_partition(partition));
    store_relaxed(inside, partition->slot + 2);
    assert_false(trust_partition(partition));
    store_relaxed(inside, partition->slot + 1);
    memcpy(log + end.position + size, log, size);
    bytes_store64(log + end.position + size + BATCH_BASE_OFFSET, (uint64_t)end.offset + 1);
    assert_false(trust_partition(partition));
    control_leave_seat(&log_directory->view, seat);
}

static void a_tail_that_differs_is_not(void **state)
{
    (void)state;
    struct partition *partition = make(30);
    struct control_partition *control = partition->control;
    struct partition_end end;
    partition_end(partition, &end);
    uint8_t *log = partition->active->log;
    uint32_t parity = end.rolls & 1;
    log[end.position - 1] ^= 1;
    assert_false(trust_partition(partition));
    log[end.position - 1] ^= 1;
    assert_true(trust_partition(partition));
    /* The word says less than was published, or more, or something else. */
    static const struct {
        int position, relative;
    } words[] = {{0, 1}, {0, -1}, {1, 0}, {-1, 0}, {400, 1}, {-100000, 0}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        store_relaxed(&control->published[parity],
                      PUBLISHED_WORD(end.position + (uint32_t)words[i].position,
                                     (uint32_t)end.word + (uint32_t)words[i].relative));
        assert_false(trust_partition(partition));
    }
    struct reader reader;
    struct batch batch;
    reader_init(&reader, partition, 0);
    store_relaxed(&control->published[parity], end.word);
    uint32_t before = 0;
    while (reader_next(&reader, &batch) == 1 && batch.base_offset < 29)
        before = reader.position;
    reader_close(&reader);
    store_relaxed(&control->published[parity],
                  PUBLISHED_WORD(before, (uint32_t)end.word - 1)); /* an older control file */
    assert_false(trust_partition(partition));
    store_relaxed(&control->published[parity], PUBLISHED_WORD(0, 0));
    assert_false(trust_partition(partition));
    store_relaxed(&control->published[parity], end.word);
    uint32_t bytes = load_relaxed(&control->index_bytes[parity]);
    store_relaxed(&control->index_bytes[parity], 80000);
    assert_false(trust_partition(partition));
    store_relaxed(&control->index_bytes[parity], bytes);
    assert_true(trust_partition(partition));
    /* A whole segment more, or less, or another size. */
    int64_t bases[4];
    assert_int_equal(log_segments(partition, bases), 2);
    uint64_t rolls = load_relaxed(&control->rolls);
    store_relaxed(&control->rolls, 0);
    assert_false(trust_partition(partition));
    store_relaxed(&control->rolls, rolls - 1);
    assert_false(trust_partition(partition));
    store_relaxed(&control->rolls, rolls);
    char path[200], other[200];
    snprintf(path, sizeof path, "%s/t-0/%020lld.log", log_path, (long long)bases[0]);
    snprintf(other, sizeof other, "%s/other", log_path);
    assert_int_equal(truncate(path, 4000), 0);
    assert_false(trust_partition(partition));
    snprintf(path, sizeof path, "%s/t-0/%020lld.log", log_path, (long long)bases[1]);
    assert_int_equal(rename(path, other), 0);
    assert_false(trust_partition(partition));
}

static void a_shorter_file_is_not(void **state)
{
    (void)state;
    struct partition *partition = make(10);
    struct partition_end end;
    partition_end(partition, &end);
    char path[200];
    snprintf(path, sizeof path, "%s/t-0/00000000000000000000.log", log_path);
    assert_int_equal(truncate(path, end.position), 0);
    assert_true(trust_partition(partition));
    assert_int_equal(truncate(path, end.position - 1), 0);
    assert_false(trust_partition(partition));
    assert_int_equal(truncate(path, 0), 0);
    assert_false(trust_partition(partition));
    assert_int_equal(unlink(path), 0);
    assert_false(trust_partition(partition));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, log_make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_control_file_is_believed_where_it_was_made),
        TEST(a_file_that_was_copied_over_is_not),
        TEST(every_true_tail_is_believed),
        TEST(an_unpublished_batch_needs_a_dead_writer),
        TEST(a_tail_that_differs_is_not),
        TEST(a_shorter_file_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
