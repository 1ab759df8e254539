/*
 * parent_and_child - a parent gives work to its child and reads the answers, through two logs in
 * anonymous shared memory: no file, no name, nothing to clean up.
 *
 *     parent_and_child one three seventeen
 *
 * cc parent_and_child.c $(pkg-config --cflags --libs maplog)
 */
#include <maplog.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOPIC                                                                                      \
    "anonymous" /* the only topic of an anonymous log, unless it is given another name             \
                 */

/* Gives the answer of a call back, or ends the program with what went wrong. */
static int check(int answer)
{
    if (answer < 0) {
        fprintf(stderr, "parent_and_child: %s\n", maplog_error_text());
        exit(1);
    }
    return answer;
}

/* The child: handles do not survive fork(), numbers of descriptors do. */
static void answer_all(int questions_fd, int answers_fd)
{
    maplog *questions, *answers;
    maplog_consumer *consumer;
    maplog_producer *producer;
    check(maplog_attach(questions_fd, &questions));
    check(maplog_attach(answers_fd, &answers));
    check(maplog_consumer_open(questions, TOPIC, NULL, &consumer));
    check(maplog_producer_open(answers, TOPIC, NULL, &producer));

    struct maplog_message question;
    while (check(maplog_consume(consumer, &question, -1)) == 1 && question.value) {
        char text[256];
        int size =
            snprintf(text, sizeof text, "process %d counts %zu bytes in \"%.*s\"", getpid(),
                     question.value_size, (int)question.value_size, (const char *)question.value);
        size_t kept = size < (int)sizeof text ? (size_t)size : sizeof text - 1;
        struct maplog_record answer = {.value = text, .value_size = kept};
        check(maplog_produce(producer, &answer, NULL));
    }
    maplog_consumer_close(consumer);
    maplog_producer_close(producer);
    maplog_close(questions);
    maplog_close(answers);
}

int main(int argc, char **argv)
{
    maplog *questions, *answers;
    maplog_producer *producer;
    maplog_consumer *consumer;
    if (argc < 2) {
        fprintf(stderr, "usage: parent_and_child WORD...\n");
        return 2;
    }
    check(maplog_open_anonymous(NULL, &questions));
    check(maplog_open_anonymous(NULL, &answers));
    int questions_fd = maplog_descriptor(questions), answers_fd = maplog_descriptor(answers);
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        return 1;
    }
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* no parent, no work: do not wait for ever */
        answer_all(questions_fd, answers_fd);
        exit(0);
    }

    check(maplog_producer_open(questions, TOPIC, NULL, &producer));
    check(maplog_consumer_open(answers, TOPIC, NULL, &consumer));
    int status = 1;
    for (int i = 1; i < argc; i++) {
        struct maplog_record question = {.value = argv[i], .value_size = strlen(argv[i])};
        struct maplog_message answer;
        check(maplog_produce(producer, &question, NULL));
        while (check(maplog_consume(consumer, &answer, 1000)) == 0)
            if (waitpid(child, &status, WNOHANG) != 0) { /* who waits looks after the other side */
                fprintf(stderr, "parent_and_child: the child has died\n");
                return 1;
            }
        printf("%.*s\n", (int)answer.value_size, (const char *)answer.value);
    }

    struct maplog_record end = {0}; /* a record without a value: here it means "no more" */
    check(maplog_produce(producer, &end, NULL));
    check(maplog_producer_close(producer));
    waitpid(child, &status, 0);
    printf("the child ended with %s\n", status == 0 ? "success" : "an error");
    maplog_consumer_close(consumer);
    maplog_close(questions);
    maplog_close(answers); /* the last one out: the memory is gone */
    return status != 0;
}
