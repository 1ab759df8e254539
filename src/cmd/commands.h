/*
 * commands.h - every command of maplog is one function, one line in main.c's table, one man page.
 *
 * A command gets the words behind its name (argv[0] is the name itself) and returns the exit
 * status: 0, EXIT_ERROR or EXIT_USAGE. Main thread only.
 */
#pragma once

#define EXIT_ERROR 1 /* it failed; the reason is on standard error */
#define EXIT_USAGE 2 /* it was called wrongly */

int command_serve(int argc, char **argv);
int command_topic(int argc, char **argv);
int command_group(int argc, char **argv);
int command_produce(int argc, char **argv);
int command_drain(int argc, char **argv);
int command_device(int argc, char **argv);
int command_consume(int argc, char **argv);
int command_import(int argc, char **argv);
int command_export(int argc, char **argv);
int command_backup(int argc, char **argv);
int command_ps(int argc, char **argv);
int command_instrument(int argc, char **argv);
/* Of maplog-lab, which command_instrument() starts with the same words. */
int command_inspect(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_pages(int argc, char **argv);
