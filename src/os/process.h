/*
 * process.h - what a process knows of itself and of others. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROCESS_NAME_SIZE 32
#define PROCESS_BOOT_ID_SIZE 16

int process_id(void);
/* Lets the process have as many descriptors as it may: the soft limit is made for programs that use
 * select(). */
void process_raise_descriptors(void);
/* Large pieces of the heap go back to the kernel when they are freed, always. Left alone, glibc
 * keeps pieces of up to 32 MiB once one of that size was freed (M_MMAP_THRESHOLD in mallopt(3)). */
void process_return_memory(void);
/* Kernel's start time of pid, clock ticks since boot; 0 when there is no such process. */
uint64_t process_start(int pid);
/* Name of this program (comm), NUL-terminated. */
void process_name(char name[static PROCESS_NAME_SIZE]);
/* State letter of /proc/PID/stat ('R', 'S', 'T' stopped, 'Z', ...); 0 when unknown. */
char process_state(int pid);
int process_boot_id(uint8_t id[static PROCESS_BOOT_ID_SIZE]);
unsigned process_cpus(void); /* CPUs this thread may run on, at least 1 */
/* CPUs that are switched on in this machine, as of the first call: with 1, waiting for another
 * process by spinning is in vain. */
unsigned process_cpus_online(void);
int process_random(void *to, unsigned length);

/* The folder that the running program lies in, without a slash at the end. */
int process_folder(char *folder, size_t size);
/* Becomes the program at path; returns only when that fails. words ends with NULL. */
int process_execute(const char *path, char *const *words);

/* Fills 0, 1 and 2 where the process was started without, with descriptors that refuse: else the
 * first files that are opened become standard input and output. Before anything is opened. */
void process_fill_standard(void);

/* membarrier(GLOBAL_EXPEDITED): registers this process; MAPLOG_UNSUPPORTED where refused. */
int process_barrier_register(void);
/* Makes every registered running thread pass a full barrier; only after a successful register by
 * those it is aimed at. Returns MAPLOG_UNSUPPORTED where refused. */
int process_barrier(void);

/* Closes fd in every forked child (pthread_atfork): descriptors that hold locks. The child must not
 * close the number again, it may mean another file by then. */
int process_close_in_child(int fd);
void process_keep_in_child(int fd); /* forgets it again, before close */
/* No fork() of another thread falls between these two: to open such a descriptor and hand it to
 * process_close_in_child(), or to close it. Short, not nested. */
void process_fork_hold(void);
void process_fork_release(void);
