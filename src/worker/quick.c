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
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/settings.h"
#include "worker/worker.h"

#define MAX_COMMANDS 1024
#define MAX_ALONE	 256

typedef struct CommandTime
{
	int64		command_id;		/* hash key */
	int64		us;				/* moving average */
} CommandTime;

static HTAB *times = NULL;
static int64 alone[MAX_ALONE];
static int	nalone = 0;

/*
 * The entry of a command, or NULL if there is none and "create" is false.
 * When the table is full, all entries are discarded.
 */
static CommandTime *
find_time(int64 command_id, bool create, bool *found)
{
	if (times != NULL && hash_get_num_entries(times) >= MAX_COMMANDS)
	{
		hash_destroy(times);
		times = NULL;
	}
	if (times == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(int64);
		ctl.entrysize = sizeof(CommandTime);
		times = hash_create("jadugar command times", MAX_COMMANDS, &ctl,
							HASH_ELEM | HASH_BLOBS);
	}
	return hash_search(times, &command_id, create ? HASH_ENTER : HASH_FIND,
					   found);
}

bool
jdg_command_is_quick(int64 command_id)
{
	CommandTime *t = find_time(command_id, false, NULL);

	return t != NULL && t->us * 4 <= (int64) (jdg_group_commit_window * 1000);
}

/*
 * A slower time replaces the average at once, a faster one lowers it slowly.
 */
void
jdg_command_note_time(int64 command_id, int64 us)
{
	bool		found;
	CommandTime *t = find_time(command_id, true, &found);

	if (!found || us > t->us)
		t->us = us;
	else
		t->us = (t->us * 3 + us) / 4;
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
