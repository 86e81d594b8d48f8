/*-------------------------------------------------------------------------
 *
 * wanted.c
 *	  Types of events that runs of flows wait for, see wanted.h.
 *
 * Runs in any process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "shared/wanted.h"

/*
 * The log is read after so many events, though nothing waits for them: what
 * has to be read when something does stays small.
 */
#define UNREAD_MAX 10000

void
jdg_wanted_init(JdgWanted *w)
{
	pg_atomic_init_u64(&w->types, 0);
	pg_atomic_init_u32(&w->begun, 0);
	pg_atomic_init_u64(&w->unread, 0);
}

void
jdg_wanted_reset(JdgWanted *w)
{
	pg_atomic_write_u64(&w->types, 0);
	pg_atomic_write_u64(&w->unread, 0);
}

bool
jdg_wanted_add(JdgWanted *w, uint64 types)
{
	/* these operations are barriers: first the one, then the other */
	pg_atomic_fetch_add_u32(&w->begun, 1);
	return (pg_atomic_fetch_or_u64(&w->types, types) & types) != types;
}

bool
jdg_wanted_publish(JdgWanted *w, uint64 types, int64 events)
{
	uint64		wanted;

	/* the commit comes before the look */
	pg_memory_barrier();
	wanted = pg_atomic_read_u64(&w->types);
	if (wanted == 0)
		return false;
	return (wanted & types) != 0 ||
		pg_atomic_fetch_add_u64(&w->unread, events) + events >= UNREAD_MAX;
}

void
jdg_wanted_read(JdgWanted *w)
{
	pg_atomic_write_u64(&w->unread, 0);
	pg_memory_barrier();
}

uint32
jdg_wanted_begun(JdgWanted *w)
{
	uint32		begun = pg_atomic_read_u32(&w->begun);

	pg_memory_barrier();
	return begun;
}

bool
jdg_wanted_set(JdgWanted *w, uint64 types, uint32 begun)
{
	pg_atomic_write_u64(&w->types, types);
	pg_memory_barrier();
	if (pg_atomic_read_u32(&w->begun) == begun)
		return true;
	pg_atomic_write_u64(&w->types, PG_UINT64_MAX);
	return false;
}
