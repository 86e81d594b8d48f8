/*-------------------------------------------------------------------------
 *
 * launcher_state.c
 *	  The launcher as other processes see it, see launcher_state.h.
 *
 * Runs in any process; takes one spinlock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/spin.h"

#include "shared/launcher_state.h"

typedef struct LauncherState
{
	slock_t		mutex;
	/* under mutex */
	Latch	   *latch;			/* NULL: there is no launcher */
	pid_t		pid;			/* 0: there is no launcher */
	bool		scan;			/* look at pg_database again */
	bool		look_at_all;	/* "look_at" was full */
	int			nlook_at;
	Oid			look_at[JDG_LOOK_AT_MAX];	/* may have got the extension */
} LauncherState;

static LauncherState *state = NULL;

static Size
state_size(void)
{
	return sizeof(LauncherState);
}

static void
state_init(void *at, bool found)
{
	state = at;
	if (found)
		return;
	memset(state, 0, sizeof(LauncherState));
	SpinLockInit(&state->mutex);
}

const JdgShmemPart jdg_launcher_shmem = {
	"jadugar launcher", state_size, state_init
};

static void
set_process(Latch *latch, pid_t pid)
{
	SpinLockAcquire(&state->mutex);
	state->latch = latch;
	state->pid = pid;
	SpinLockRelease(&state->mutex);
}

void
jdg_launcher_enter(void)
{
	set_process(MyLatch, MyProcPid);
}

void
jdg_launcher_leave(void)
{
	set_process(NULL, 0);
}

pid_t
jdg_launcher_pid(void)
{
	pid_t		pid;

	SpinLockAcquire(&state->mutex);
	pid = state->pid;
	SpinLockRelease(&state->mutex);
	return pid;
}

void
jdg_launcher_wake(bool scan)
{
	Latch	   *latch;

	SpinLockAcquire(&state->mutex);
	state->scan |= scan;
	latch = state->latch;
	SpinLockRelease(&state->mutex);
	if (latch)
		SetLatch(latch);
}

void
jdg_launcher_look_at(Oid dboid)
{
	bool		found = false;

	SpinLockAcquire(&state->mutex);
	for (int i = 0; i < state->nlook_at && !found; i++)
		found = state->look_at[i] == dboid;
	if (!found && state->nlook_at == JDG_LOOK_AT_MAX)
		state->look_at_all = true;
	else if (!found)
		state->look_at[state->nlook_at++] = dboid;
	SpinLockRelease(&state->mutex);
	jdg_launcher_wake(false);
}

int
jdg_launcher_take_look_at(Oid *dboids, bool *all)
{
	int			n;

	SpinLockAcquire(&state->mutex);
	*all = state->look_at_all;
	n = state->nlook_at;
	memcpy(dboids, state->look_at, n * sizeof(Oid));
	state->look_at_all = false;
	state->nlook_at = 0;
	SpinLockRelease(&state->mutex);
	return n;
}

bool
jdg_launcher_take_scan(void)
{
	bool		scan;

	SpinLockAcquire(&state->mutex);
	scan = state->scan;
	state->scan = false;
	SpinLockRelease(&state->mutex);
	return scan;
}
