/*-------------------------------------------------------------------------
 *
 * quick.c
 *	  Commands that a worker may put into a group with others.
 *
 * Local to one worker.  A command that has not run here yet runs alone once.
 * It joins groups when it is known to take a fraction of the group's window.
 * Tasks that were taken out of a group (preempted, deadlocked, in a group
 * whose commit failed) are remembered by id and run alone next.
 *
 * A command whose last SAFE_RUNS runs had no error is safe: its tasks run
 * without subtransactions of their own, see run.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/settings.h"
#include "worker/worker.h"

#define MAX_COMMANDS 1024
#define MAX_ALONE	 256

/* us: the average of quicker commands is raised as if it were that much */
#define RAISE_FROM 25

/* runs without error after which a command is safe; tests need fewer */
#ifdef JDG_FAULTS
#define SAFE_RUNS	 20
#else
#define SAFE_RUNS	 1000
#endif

typedef struct CommandPast
{
	int64		command_id;		/* hash key */
	int64		us;				/* moving average */
	int			clean;			/* runs since its last error, at most
								 * SAFE_RUNS */
} CommandPast;

static HTAB *past = NULL;
static int64 alone[MAX_ALONE];
static int	nalone = 0;

/*
 * The entry of a command, or NULL if there is none and "create" is false.
 * When the table is full, all entries are discarded.
 */
static CommandPast *
find_past(int64 command_id, bool create, bool *found)
{
	if (past != NULL && hash_get_num_entries(past) >= MAX_COMMANDS)
	{
		hash_destroy(past);
		past = NULL;
	}
	if (past == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(int64);
		ctl.entrysize = sizeof(CommandPast);
		past = hash_create("jadugar commands", MAX_COMMANDS, &ctl,
						   HASH_ELEM | HASH_BLOBS);
	}
	return hash_search(past, &command_id, create ? HASH_ENTER : HASH_FIND,
					   found);
}

bool
jdg_command_is_quick(int64 command_id)
{
	CommandPast *t = find_past(command_id, false, NULL);

	return t != NULL && t->us * 4 <= (int64) (jdg_group_commit_window * 1000);
}

int64
jdg_command_us(int64 command_id)
{
	CommandPast *t = find_past(command_id, false, NULL);

	return t != NULL ? t->us : 0;
}

bool
jdg_command_is_safe(int64 command_id)
{
	CommandPast *t = find_past(command_id, false, NULL);

	return t != NULL && t->clean >= SAFE_RUNS;
}

/*
 * A slower time raises the average quickly, a faster one lowers it slowly.  One
 * slow run among many, when the process had to wait for a CPU, does not make
 * the next ones run alone.
 */
void
jdg_command_note_run(int64 command_id, int64 us, bool clean)
{
	bool		found;
	CommandPast *t = find_past(command_id, true, &found);

	if (!found)
		t->clean = 0;
	if (!found)
		t->us = us;
	else if (us > t->us)
		t->us = Min(us, Max(t->us, RAISE_FROM) * 4);
	else
		t->us = (t->us * 3 + us) / 4;
	t->clean = clean ? Min(t->clean + 1, SAFE_RUNS) : 0;
}

/* When the list is full, the oldest task is dropped. */
void
jdg_run_alone_next(int64 task_id)
{
	if (jdg_must_run_alone(task_id))
		return;
	if (nalone == MAX_ALONE)
	{
		memmove(alone, alone + 1, sizeof(alone[0]) * (MAX_ALONE - 1));
		nalone--;
	}
	alone[nalone++] = task_id;
}

bool
jdg_must_run_alone(int64 task_id)
{
	for (int i = 0; i < nalone; i++)
	{
		if (alone[i] == task_id)
			return true;
	}
	return false;
}

void
jdg_run_alone_done(int64 task_id)
{
	for (int i = 0; i < nalone; i++)
	{
		if (alone[i] != task_id)
			continue;
		alone[i] = alone[--nalone];
		return;
	}
}
