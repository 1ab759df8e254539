// SPDX-License-Identifier: GPL-2.0-only
/*
 * maplog_emitter.c - calls maplog_emit() from threads bound to CPUs, from timers that interrupt them,
 * and from NMIs that interrupt both. Files of /sys/kernel/debug/maplog_emitter:
 *
 *   threads    on so many of the CPUs
 *   records    that each thread emits
 *   longest    bytes behind a record's head; number n has emitted_fill(n, longest)
 *   timer_us   a timer on each CPU emits one so often; 0: none does
 *   nmi_every  so many records of a thread it sends itself an NMI, which emits one; 0: never
 *   again      0: a refused record is lost, its number too; 1: its number is tried again
 *   run        writing does all this, and returns when the threads are done
 *   dying      writing stops the last CPU within maplog_emit(), as a panic does, then emits as the
 *              dying kernel; EAGAIN: it was not met within, EDEADLK: it was waited for
 *   report     lines "CPU CONTEXT EMITTED REFUSED" about the last run
 */
#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/timekeeping.h>
#include <linux/version.h>
#include <linux/workqueue.h>
#include <asm/apic.h>
#include <asm/nmi.h>

#include "emitted.h"
#include "maplog.h"

struct source {
	u64 next;
	u64 emitted;
	u64 refused;
	u8 record[sizeof(struct emitted) + EMITTED_FILL_MAX] __aligned(8);
};

struct emitter {
	struct source source[EMITTED_CONTEXTS];
	struct hrtimer timer;
	bool nmi_wanted;
};

static DEFINE_PER_CPU(struct emitter, emitters);
static struct dentry *folder;
static u32 threads = 1, records, longest, timer_us, nmi_every, again;
static atomic_t running;
static DECLARE_COMPLETION(all_done);
static DEFINE_MUTEX(one_run);

/* Emits this CPU's next record of a context: nothing but its own context writes the source. */
static int emit_next(enum emitted_context context)
{
	struct source *source = &this_cpu_ptr(&emitters)->source[context];
	struct emitted *record = (struct emitted *)source->record;
	u32 fill = emitted_fill(source->next, longest);
	u32 at;
	int error;

	record->number = source->next;
	record->cpu = raw_smp_processor_id();
	record->context = context;
	for (at = 0; at < fill; at++)
		record->fill[at] = emitted_byte(record, at);
	error = maplog_emit(record, sizeof(*record) + fill);
	if (error)
		source->refused++;
	else
		source->emitted++;
	if (!error || !again)
		source->next++;
	return error;
}

static void send_nmi(unsigned int cpu)
{
	WRITE_ONCE(per_cpu(emitters.nmi_wanted, cpu), true);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	__apic_send_IPI_mask(cpumask_of(cpu), NMI_VECTOR);
#else
	apic->send_IPI_mask(cpumask_of(cpu), NMI_VECTOR);
#endif
}

static bool stop_wanted, stopped, go_on;

/* In an NMI. The ring has room, so that a refusal says that this CPU is within maplog_emit(). */
static void stop_within_a_writer(void)
{
	u64 limit = ktime_get_mono_fast_ns() + NSEC_PER_SEC;

	if (maplog_emit(NULL, 0) != -ENOSPC)
		return;
	WRITE_ONCE(stopped, true);
	while (!READ_ONCE(go_on) && ktime_get_mono_fast_ns() < limit)
		cpu_relax();
}

static int on_nmi(unsigned int type, struct pt_regs *registers)
{
	if (!this_cpu_read(emitters.nmi_wanted))
		return NMI_DONE;
	this_cpu_write(emitters.nmi_wanted, false);
	if (!READ_ONCE(stop_wanted))
		emit_next(EMITTED_NMI);
	else if (!stopped)
		stop_within_a_writer();
	return NMI_HANDLED;
}

static enum hrtimer_restart on_timer(struct hrtimer *timer)
{
	emit_next(EMITTED_TIMER);
	hrtimer_forward_now(timer, ns_to_ktime((u64)timer_us * NSEC_PER_USEC));
	return HRTIMER_RESTART;
}

static void start_timer(struct hrtimer *timer)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(timer, on_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
#else
	hrtimer_init(timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	timer->function = on_timer;
#endif
	hrtimer_start(timer, ns_to_ktime((u64)timer_us * NSEC_PER_USEC), HRTIMER_MODE_REL_PINNED_HARD);
}

static int emit_all(void *unused)
{
	struct emitter *emitter = this_cpu_ptr(&emitters);
	struct source *source = &emitter->source[EMITTED_THREAD];
	u64 tries = 0;

	if (timer_us)
		start_timer(&emitter->timer);
	while (source->next < records && !kthread_should_stop()) {
		if (nmi_every && ++tries % nmi_every == 0)
			send_nmi(raw_smp_processor_id());
		if (emit_next(EMITTED_THREAD) && again)
			usleep_range(50, 200);
		cond_resched();
	}
	if (timer_us)
		hrtimer_cancel(&emitter->timer);
	if (atomic_dec_and_test(&running))
		complete(&all_done);
	while (!kthread_should_stop()) {
		set_current_state(TASK_IDLE);
		if (!kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
	}
	return 0;
}

static int run_threads(struct task_struct **tasks)
{
	unsigned int cpu, begun = 0;
	int error = 0;

	for_each_online_cpu(cpu) {
		if (begun == threads)
			break;
		memset(per_cpu_ptr(&emitters, cpu), 0, sizeof(struct emitter));
		tasks[begun] = kthread_create(emit_all, NULL, "emitter/%u", cpu);
		if (IS_ERR(tasks[begun])) {
			error = PTR_ERR(tasks[begun]);
			break;
		}
		kthread_bind(tasks[begun++], cpu);
	}
	if (!error && begun == threads) {
		unsigned int i;

		reinit_completion(&all_done);
		atomic_set(&running, begun);
		for (i = 0; i < begun; i++)
			wake_up_process(tasks[i]);
		error = wait_for_completion_killable(&all_done);
	} else if (!error) {
		error = -EINVAL;
	}
	while (begun)
		kthread_stop(tasks[--begun]);
	return error;
}

static ssize_t run_write(struct file *file, const char __user *text, size_t length, loff_t *offset)
{
	struct task_struct **tasks;
	int error;

	if (!threads || longest > EMITTED_FILL_MAX)
		return -EINVAL;
	tasks = kcalloc(threads, sizeof(*tasks), GFP_KERNEL);
	if (!tasks)
		return -ENOMEM;
	mutex_lock(&one_run);
	error = run_threads(tasks);
	mutex_unlock(&one_run);
	kfree(tasks);
	return error ? error : length;
}

static const struct file_operations run_methods = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = run_write,
};

/* Long enough to be met while they are copied; three have room in the ring of the test. */
#define LONG_BYTES 200000
static u8 long_record[LONG_BYTES];

static void emit_long_ones(struct work_struct *work)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		maplog_emit(long_record, LONG_BYTES);
}
static DECLARE_WORK(long_work, emit_long_ones);

static int die_beside_a_writer(unsigned int cpu)
{
	bool *nmi_wanted = &per_cpu(emitters.nmi_wanted, cpu);
	int error = -EAGAIN;

	stopped = go_on = false;
	WRITE_ONCE(stop_wanted, true);
	schedule_work_on(cpu, &long_work);
	while (!READ_ONCE(stopped) && work_busy(&long_work)) {
		if (!READ_ONCE(*nmi_wanted))
			send_nmi(cpu);
		cpu_relax();
	}
	if (READ_ONCE(stopped)) {
		++oops_in_progress;
		error = maplog_emit("dying", 5) == -ENOSPC ? 0 : -EDEADLK;
		--oops_in_progress;
		WRITE_ONCE(go_on, true);
	}
	flush_work(&long_work);
	while (READ_ONCE(*nmi_wanted))
		cpu_relax();
	WRITE_ONCE(stop_wanted, false);
	return error;
}

static ssize_t dying_write(struct file *file, const char __user *text, size_t length,
			   loff_t *offset)
{
	unsigned int cpu = cpumask_last(cpu_online_mask);
	int error = -EINVAL;

	mutex_lock(&one_run);
	if (cpu != raw_smp_processor_id()) /* the caller stays on its CPU */
		error = die_beside_a_writer(cpu);
	mutex_unlock(&one_run);
	return error ? error : length;
}

static const struct file_operations dying_methods = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = dying_write,
};

static int report_show(struct seq_file *lines, void *unused)
{
	unsigned int cpu, context;

	for_each_online_cpu(cpu) {
		for (context = 0; context < EMITTED_CONTEXTS; context++) {
			struct source *source = &per_cpu_ptr(&emitters, cpu)->source[context];

			seq_printf(lines, "%u %u %llu %llu\n", cpu, context, source->emitted,
				   source->refused);
		}
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(report);

static int __init emitter_init(void)
{
	int error = register_nmi_handler(NMI_LOCAL, on_nmi, 0, "maplog_emitter");

	if (error)
		return error;
	folder = debugfs_create_dir("maplog_emitter", NULL);
	debugfs_create_u32("threads", 0600, folder, &threads);
	debugfs_create_u32("records", 0600, folder, &records);
	debugfs_create_u32("longest", 0600, folder, &longest);
	debugfs_create_u32("timer_us", 0600, folder, &timer_us);
	debugfs_create_u32("nmi_every", 0600, folder, &nmi_every);
	debugfs_create_u32("again", 0600, folder, &again);
	debugfs_create_file("run", 0200, folder, NULL, &run_methods);
	debugfs_create_file("dying", 0200, folder, NULL, &dying_methods);
	debugfs_create_file("report", 0400, folder, NULL, &report_fops);
	return 0;
}

static void __exit emitter_exit(void)
{
	debugfs_remove_recursive(folder);
	unregister_nmi_handler(NMI_LOCAL, "maplog_emitter");
}

module_init(emitter_init);
module_exit(emitter_exit);
MODULE_DESCRIPTION("Emits records from every context, for the tests of maplog");
MODULE_LICENSE("GPL");
