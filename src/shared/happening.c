/*-------------------------------------------------------------------------
 *
 * happening.c
 *	  Tells modules what happens, see happening.h.
 *
 * Runs in any process.
 *
 * A session adds a pin, then sets the bits and counts the generation up in one
 * step, and removes the pin after the end of its transaction.  The scheduler
 * reads the bits with the generation, then the pins, and then what the tables
 * ask for.  It stores the result only if bits and generation are still what it
 * has read.  If a session's pin came before the scheduler looked for pins, the
 * scheduler stores nothing; if it came later, so did the new generation; and a
 * pin that is gone has been removed after a commit that the scheduler sees.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"

#include "shared/happening.h"

/* the lower bits of JdgDb.happenings */
#define KINDS_BITS	48
#define ALL_KINDS	((UINT64CONST(1) << KINDS_BITS) - 1)

StaticAssertDecl(JDG_HAPPENINGS <= KINDS_BITS, "kinds of happenings");

bool		jdg_quiet = false;

static JdgDb *pinned = NULL;	/* by this transaction */

void
jdg_happened(JdgHappening kind, Oid owner, const char *key, Jsonb *data)
{
	jdg_happened_to(kind, owner, NULL, key, data);
}

void
jdg_happened_to(JdgHappening kind, Oid owner, const char *tenant,
				const char *key, Jsonb *data)
{
	jdg_foreach_module(module)
	{
		if (module->happened)
			module->happened(kind, owner, tenant, key, data);
	}
}

/* Removes the pin, and has the scheduler look. */
static void
xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			break;
		default:
			return;
	}
	if (pinned == NULL)
		return;
	pg_memory_barrier();
	pg_atomic_fetch_sub_u32(&pinned->happening_pins, 1);
	jdg_db_wake(pinned, JDG_WAKE_EVENTS);
	pinned = NULL;
}

void
jdg_happening_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
}

void
jdg_happenings_expect(uint64 kinds)
{
	JdgDb	   *db = jdg_my_db();
	uint64		old = pg_atomic_read_u64(&db->happenings);

	if (pinned == NULL)
	{
		pg_atomic_fetch_add_u32(&db->happening_pins, 1);
		pinned = db;
	}
	while (!pg_atomic_compare_exchange_u64(&db->happenings, &old,
										   (old | kinds) + ALL_KINDS + 1))
		;
}

bool
jdg_happenings_look(JdgDb *db, uint64 *seen)
{
	*seen = pg_atomic_read_u64(&db->happenings);
	pg_memory_barrier();
	return pg_atomic_read_u32(&db->happening_pins) == 0;
}

void
jdg_happenings_set(JdgDb *db, uint64 seen, uint64 kinds)
{
	uint64		expected = seen;

	(void) pg_atomic_compare_exchange_u64(&db->happenings, &expected,
										  (seen & ~ALL_KINDS) | kinds);
}
