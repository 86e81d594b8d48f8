/*-------------------------------------------------------------------------
 *
 * sleep.c
 *	  Sleeping until an instant, also if the clock is set meanwhile.
 *
 * Runs in the scheduler.  WaitLatch() counts from the time at which it was
 * called: after an NTP step or the resume of a virtual machine it would be
 * late by the jump.  Therefore the process waits for a timer of the kernel
 * that expires at an instant of the wall clock, and is cancelled when that
 * clock is set.  It costs no wake-ups.
 *
 * Where there is no such timer, a sleep ends after a minute at most.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>
#ifdef __linux__
#include <sys/timerfd.h>
#endif

#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/fault.h"
#include "base/settings.h"
#include "base/sleep.h"

/* without a timer of the kernel: the longest sleep */
#define LONGEST_SLEEP	(60 * 1000L)

/* then the last milliseconds before an instant are left to a signal */
#define FINE_WAIT_MS	3

#ifdef TFD_TIMER_CANCEL_ON_SET

static int	timer_fd = -1;
static WaitEventSet *timer_set = NULL;

/* Makes the timer.  Returns false if the kernel has none for us. */
static bool
make_timer(void)
{
	WaitEventSet *set;

	if (timer_set != NULL)
		return true;
	if (timer_fd < 0)
	{
		timer_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
		if (timer_fd < 0)
			return false;
		ReserveExternalFD();
	}
	set = jdg_create_wait_event_set(3);
	AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(set, WL_SOCKET_READABLE, timer_fd, NULL, NULL);
	timer_set = set;
	return true;
}

/*
 * Sets the timer, and forgets that it has expired.  The kernel reports
 * ECANCELED if the clock was set before; then the timer is set nevertheless,
 * and expires at once if its instant has passed.
 */
static void
set_timer(TimestampTz when)
{
	struct itimerspec t = {{0}};

	if (!TIMESTAMP_IS_NOEND(when))
	{
		int64		us = when - (int64) jdg_clock_offset * USECS_PER_SEC;

		us += (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
		us = Max(us, 1);		/* zero would mean that it is not set */
		t.it_value.tv_sec = us / USECS_PER_SEC;
		t.it_value.tv_nsec = us % USECS_PER_SEC * 1000;
	}
	if (timerfd_settime(timer_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
						&t, NULL) < 0 && errno != ECANCELED)
		elog(ERROR, "could not set a timer: %m");
}

/*
 * Waits for the timer or the latch.  When the clock was set, the timer can be
 * read, too: the result is ECANCELED.
 */
static void
wait_for_timer(TimestampTz when, uint32 wait_event)
{
	WaitEvent	event;
#ifdef JDG_FAULTS
	int			before = jdg_clock_offset;
#endif

	set_timer(when);
#ifdef JDG_FAULTS
	JDG_FAULT("sleep-clock");
	/* a test has set the clock: for the kernel it is as it was */
	if (jdg_clock_offset != before)
		set_timer(DT_NOBEGIN + USECS_PER_DAY * 365);
#endif
	(void) WaitEventSetWait(timer_set, -1, &event, 1, wait_event);
}

#else

static bool
make_timer(void)
{
	return false;
}

static void
wait_for_timer(TimestampTz when, uint32 wait_event)
{
}

#endif							/* TFD_TIMER_CANCEL_ON_SET */

/* The signal of the timer sets the latch, which is the only purpose. */
static void
fine_timer_handler(void)
{
}

/*
 * WaitLatch() counts in milliseconds and may be late by one, so a signal
 * covers the last few.  It is not set for longer, because the signal of a
 * timer that is set cannot be taken back.
 */
static void
wait_in_steps(TimestampTz when, uint32 wait_event)
{
	static TimeoutId fine_timer = MAX_TIMEOUTS;
	int			events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;
	long		ms = jdg_ms_until(when, LONGEST_SLEEP);
	int			rc = 0;

	if (fine_timer == MAX_TIMEOUTS)
		fine_timer = RegisterTimeout(USER_TIMEOUT, fine_timer_handler);
	if (ms > FINE_WAIT_MS)
		rc = WaitLatch(MyLatch, events | WL_TIMEOUT, ms - FINE_WAIT_MS,
					   wait_event);
	if ((rc & WL_LATCH_SET) == 0 &&
		jdg_ms_until(when, LONGEST_SLEEP) <= 2 * FINE_WAIT_MS)
	{
		enable_timeout_at(fine_timer,
						  GetCurrentTimestamp() + (when - jdg_now()));
		(void) WaitLatch(MyLatch, events, 0, wait_event);
		disable_timeout(fine_timer, false);
	}
}

void
jdg_sleep_until(TimestampTz when, uint32 wait_event)
{
	if (when <= jdg_now())
		return;
	if (make_timer())
		wait_for_timer(when, wait_event);
	else
		wait_in_steps(when, wait_event);
}

int64
jdg_steady_ms(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return (int64) INSTR_TIME_GET_MILLISEC(now);
}
