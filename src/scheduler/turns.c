/*-------------------------------------------------------------------------
 *
 * turns.c
 *	  The order in which roles get a new worker when slots are short.
 *
 * Runs in the scheduler, in its memory: a scheduler that has just started
 * gives all turns anew.  The list has one entry for each role with ready
 * tasks, and pool.c replaces it in each round.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "scheduler/turns.h"

typedef struct Turn
{
	Oid			owner;
	uint64		turn;
} Turn;

static Turn *turns = NULL;
static int	nturns = 0;
static int	room = 0;
static bool sorted = true;
static uint64 last_turn = 0;

static int
compare_owners(const void *a, const void *b)
{
	Oid			x = ((const Turn *) a)->owner;
	Oid			y = ((const Turn *) b)->owner;

	return x < y ? -1 : x > y;
}

uint64
jdg_turn_new(void)
{
	return ++last_turn;
}

uint64
jdg_turn_of(Oid owner)
{
	Turn		key = {.owner = owner};
	Turn	   *found = NULL;

	if (!sorted)
		qsort(turns, nturns, sizeof(Turn), compare_owners);
	sorted = true;
	if (nturns > 0)
		found = bsearch(&key, turns, nturns, sizeof(Turn), compare_owners);
	return found ? found->turn : jdg_turn_new();
}

void
jdg_turns_clear(int n)
{
	if (n > room)
	{
		Size		size = sizeof(Turn) * n;

		turns = turns ? repalloc(turns, size) :
			MemoryContextAlloc(TopMemoryContext, size);
		room = n;
	}
	nturns = 0;
	sorted = true;
}

void
jdg_turn_keep(Oid owner, uint64 turn)
{
	Assert(nturns < room);
	turns[nturns].owner = owner;
	turns[nturns++].turn = turn;
	sorted = false;
}
