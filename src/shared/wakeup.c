/*-------------------------------------------------------------------------
 *
 * wakeup.c
 *	  Reasons to wake a database's scheduler, see wakeup.h.
 *
 * Runs in any process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "shared/wakeup.h"

void
jdg_wakeup_init(JdgWakeup *w)
{
	SpinLockInit(&w->mutex);
	jdg_wakeup_reset(w);
}

void
jdg_wakeup_reset(JdgWakeup *w)
{
	SpinLockAcquire(&w->mutex);
	w->latch = NULL;
	w->why = 0;
	w->nrecheck = 0;
	SpinLockRelease(&w->mutex);
}

void
jdg_wakeup_set_latch(JdgWakeup *w, Latch *latch)
{
	SpinLockAcquire(&w->mutex);
	w->latch = latch;
	SpinLockRelease(&w->mutex);
}

void
jdg_wakeup_request(JdgWakeup *w, uint32 why)
{
	Latch	   *latch;

	SpinLockAcquire(&w->mutex);
	w->why |= why;
	latch = w->latch;
	SpinLockRelease(&w->mutex);
	if (latch)
		SetLatch(latch);
}

uint32
jdg_wakeup_take(JdgWakeup *w)
{
	uint32		why;

	SpinLockAcquire(&w->mutex);
	why = w->why;
	w->why = 0;
	SpinLockRelease(&w->mutex);
	return why;
}

uint32
jdg_wakeup_peek(JdgWakeup *w)
{
	uint32		why;

	SpinLockAcquire(&w->mutex);
	why = w->why;
	SpinLockRelease(&w->mutex);
	return why;
}

void
jdg_wakeup_recheck(JdgWakeup *w, int64 task_id, bool finished)
{
	SpinLockAcquire(&w->mutex);
	if (w->nrecheck < JDG_RECHECK_MAX)
	{
		w->recheck[w->nrecheck].task_id = task_id;
		w->recheck[w->nrecheck].finished = finished;
		w->nrecheck++;
		w->why |= JDG_WAKE_RECHECK;
	}
	else
		w->why |= JDG_WAKE_SWEEP;
	SpinLockRelease(&w->mutex);
}

int
jdg_wakeup_take_rechecks(JdgWakeup *w, JdgRecheck *out)
{
	int			n;

	SpinLockAcquire(&w->mutex);
	n = w->nrecheck;
	memcpy(out, w->recheck, n * sizeof(JdgRecheck));
	w->nrecheck = 0;
	SpinLockRelease(&w->mutex);
	return n;
}
