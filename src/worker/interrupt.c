/*-------------------------------------------------------------------------
 *
 * interrupt.c
 *	  Stopping the task that runs: cancel, deadline, preemption.
 *
 * A cancel reaches a worker as SIGINT; the slot names the task to which it
 * applies.  Handlers act only while user code runs, so that bookkeeping and
 * commits are never cancelled, and only on the task that the request names.  A
 * SIGINT for which the slot holds no request is an administrator's
 * pg_cancel_backend(): it cancels the task that runs now.  Or it is the
 * server's lock_timeout, which this process has sent itself: that is an error
 * of one statement, and no cancel of the task.
 *
 * Two timers: the task's deadline, and a grace period after it or after a
 * cancel, at whose end the worker terminates itself (PL code may swallow a
 * cancel).  A third one preempts a task that overruns the group's window while
 * finished tasks wait for their commit.  The fourth is statement_timeout, which
 * the server does not enforce in a worker: as in a session, it begins with
 * each statement of the task's text, has the value at that time, and cancels
 * the statement once.
 *
 * SIGQUIT means that another process has crashed: the note that this worker
 * keeps of its task is marked innocent first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>
#include <unistd.h>

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/timeout.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/interval.h"
#include "base/settings.h"
#include "shared/suspect.h"
#include "worker/worker.h"

static volatile sig_atomic_t in_user_code = false;
static volatile int current_index = -1;
static volatile sig_atomic_t stop = JDG_STOP_NONE;

static TimeoutId deadline_timeout;
static TimeoutId grace_timeout;
static TimeoutId preempt_timeout;
static TimeoutId statement_timeout;
static bool timeouts_registered = false;

static bool grace_started = false;
static TimestampTz task_deadline;	/* DT_NOEND: none */
static int	statement_timeout_ms = 0;	/* of the statement that runs */
static ErrorContextCallback on_error;

/* Makes the server raise an error in the statement that runs. */
static void
interrupt_statement(void)
{
	QueryCancelPending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
}

/*
 * Cancels the user code that runs, if any.  The first reason counts, except
 * that another one replaces preemption and statement_timeout, which do not end
 * the task by themselves.  Called by signal handlers.
 */
static void
cancel_query(JdgStop why)
{
	if (!in_user_code)
		return;
	if (stop == JDG_STOP_NONE || stop == JDG_STOP_PREEMPT ||
		stop == JDG_STOP_STATEMENT)
		stop = why;
	interrupt_statement();
}

/*
 * SIGINT.  Reads the slot without its spinlock, which the interrupted code
 * may hold: a cancel request is one aligned word.
 */
static void
handle_cancel(SIGNAL_ARGS)
{
	int			save_errno = errno;
	bool		others = false;
	bool		lock_timeout = false;

	if (in_user_code && current_index >= 0)
	{
		volatile JdgSlotTask *t = &jdg_my_slot->task[current_index];

		if (t->cancel == JDG_CANCEL_NONE)
		{
			/* perhaps it was meant for a task that has just ended */
			for (int i = 0; i < current_index; i++)
				others |= jdg_my_slot->task[i].cancel != JDG_CANCEL_NONE;
			lock_timeout = get_timeout_indicator(LOCK_TIMEOUT, false);
		}
		if (lock_timeout)
			interrupt_statement();
		else if (!others)
			cancel_query(JDG_STOP_CANCEL);
	}
	errno = save_errno;
}

/* SIGQUIT: another process has crashed, and the postmaster restarts all. */
static void
handle_quit(SIGNAL_ARGS)
{
	jdg_suspect_end();
	_exit(2);
}

static void
handle_deadline(void)
{
	cancel_query(JDG_STOP_DEADLINE);
}

/*
 * The grace period is over: terminates this process.  Notes the reason in the
 * slot, which decides how the task ends.
 */
static void
handle_grace(void)
{
	volatile JdgSlotTask *t;

	if (!in_user_code)
		return;
	t = &jdg_my_slot->task[current_index];
	if (stop == JDG_STOP_DEADLINE)
		jdg_my_slot->timed_out = true;
	else if (t->cancel == JDG_CANCEL_NONE)
		t->cancel = JDG_CANCEL_TASK;	/* by an administrator */
	JDG_FAULT("grace-over");
	kill(MyProcPid, SIGTERM);
}

static void
handle_statement_timeout(void)
{
	if (stop == JDG_STOP_NONE)
		cancel_query(JDG_STOP_STATEMENT);
}

static void
handle_preempt(void)
{
	if (stop == JDG_STOP_NONE)
		cancel_query(JDG_STOP_PREEMPT);
}

/*
 * Error context callback.  Every error of user code passes here, caught or
 * not.  The grace period of a cancel begins with its error, because the signal
 * handler cannot set a timer.  That of a deadline is set already.
 */
static void
start_grace(void *arg)
{
	if (in_user_code && stop == JDG_STOP_CANCEL && !grace_started)
	{
		grace_started = true;
		enable_timeout_after(grace_timeout, Max(jdg_cancel_grace, 1));
	}
}

void
jdg_interrupt_init(void)
{
	pqsignal(SIGINT, handle_cancel);
	pqsignal(SIGTERM, die);
	pqsignal(SIGQUIT, handle_quit);
}

/*
 * Registers the timers once.  Not in jdg_interrupt_init(), because the server
 * initializes its timers only when the worker connects.
 */
static void
register_timeouts(void)
{
	if (timeouts_registered)
		return;
	deadline_timeout = RegisterTimeout(USER_TIMEOUT, handle_deadline);
	grace_timeout = RegisterTimeout(USER_TIMEOUT, handle_grace);
	preempt_timeout = RegisterTimeout(USER_TIMEOUT, handle_preempt);
	statement_timeout = RegisterTimeout(USER_TIMEOUT, handle_statement_timeout);
	timeouts_registered = true;
}

void
jdg_user_code_begin(const JdgTask *task, int index, TimestampTz preempt_at)
{
	int64		us = task->timeout ? jdg_interval_us(task->timeout) : 0;

	register_timeouts();
	stop = JDG_STOP_NONE;
	current_index = index;
	jdg_my_slot->timed_out = false;
	task_deadline = us > 0 ? jdg_now() + us : DT_NOEND;
	jdg_my_slot->deadline = task_deadline;
	statement_timeout_ms = 0;
	grace_started = false;
	(void) get_timeout_indicator(LOCK_TIMEOUT, true);	/* not of this task */
	on_error.callback = start_grace;
	on_error.previous = error_context_stack;
	error_context_stack = &on_error;
	in_user_code = true;
	if (us > 0)
	{
		TimestampTz now = GetCurrentTimestamp();

		enable_timeout_at(deadline_timeout, now + us);
		enable_timeout_at(grace_timeout,
						  now + us + (int64) jdg_cancel_grace * 1000);
	}
	if (preempt_at != 0)
		enable_timeout_at(preempt_timeout, preempt_at);

	/* a cancel may have come between the claim and now */
	if (jdg_my_slot->task[index].cancel != JDG_CANCEL_NONE)
		cancel_query(JDG_STOP_CANCEL);
}

void
jdg_user_code_end(void)
{
	in_user_code = false;
	if (error_context_stack == &on_error)
		error_context_stack = on_error.previous;
	/* an error before the first task comes here, too */
	if (timeouts_registered)
	{
		disable_timeout(deadline_timeout, false);
		disable_timeout(grace_timeout, false);
		disable_timeout(preempt_timeout, false);
		disable_timeout(statement_timeout, false);
	}
	QueryCancelPending = false;
	current_index = -1;
}

void
jdg_user_statement_begin(void)
{
	if (!in_user_code)
		return;
	if (statement_timeout_ms > 0)
		disable_timeout(statement_timeout, false);
	if (stop == JDG_STOP_STATEMENT)
	{
		sigset_t	saved;

		/*
		 * The statement before it ended all the same.  A deadline or a cancel
		 * that comes meanwhile replaces the reason, and must stay.
		 */
		sigprocmask(SIG_SETMASK, &BlockSig, &saved);
		if (stop == JDG_STOP_STATEMENT)
		{
			stop = JDG_STOP_NONE;
			QueryCancelPending = false;
		}
		sigprocmask(SIG_SETMASK, &saved, NULL);
		if (jdg_my_slot->task[current_index].cancel != JDG_CANCEL_NONE)
			cancel_query(JDG_STOP_CANCEL);
	}
	statement_timeout_ms = StatementTimeout;
	if (statement_timeout_ms > 0)
	{
		TimestampTz end = jdg_now() + (int64) statement_timeout_ms * 1000;

		enable_timeout_after(statement_timeout, statement_timeout_ms);
		jdg_my_slot->deadline = Min(task_deadline, end);
	}
	else
		jdg_my_slot->deadline = task_deadline;
}

int
jdg_statement_timeout(void)
{
	return statement_timeout_ms;
}

JdgStop
jdg_stop_reason(void)
{
	return (JdgStop) stop;
}

bool
jdg_cancel_pending(void)
{
	return stop != JDG_STOP_NONE || ProcDiePending;
}
