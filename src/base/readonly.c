/*-------------------------------------------------------------------------
 *
 * readonly.c
 *	  A part of a transaction that cannot change data, see readonly.h.
 *
 * Runs in any process, in a transaction that has a snapshot.  Then the server
 * refuses to set transaction_read_only to off.  Before version 16 it does not
 * refuse to RESET it, nor set_config() with a null value: they set the value
 * that the server has noted for that, so it is "on" meanwhile.  The end of a
 * subtransaction restores the value at its begin.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/guc_tables.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/readonly.h"

#if JDG_READ_ONLY_HAS_RESET

/* Sets the value that RESET gives; returns the one before. */
static bool
set_reset_value(bool value)
{
	static struct config_bool *setting = NULL;
	bool		before;

	for (int i = 0; setting == NULL && i < GetNumConfigOptions(); i++)
	{
		struct config_generic *g = get_guc_variables()[i];

		if (strcmp(g->name, "transaction_read_only") == 0)
			setting = (struct config_bool *) g;
	}
	before = setting->reset_val;
	setting->reset_val = value;
	return before;
}
#else
#define set_reset_value(value) (value)
#endif

void
jdg_read_only_begin(JdgReadOnly *st)
{
	Assert(FirstSnapshotSet);
	st->transaction = XactReadOnly;
	st->reset = set_reset_value(true);
	XactReadOnly = true;
}

void
jdg_read_only_end(const JdgReadOnly *st)
{
	XactReadOnly = st->transaction;
	(void) set_reset_value(st->reset);
}
