/*-------------------------------------------------------------------------
 *
 * subxact.c
 *	  Runs work in a subtransaction, see subxact.h.
 *
 * Runs in any process, in a transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/errors.h"
#include "base/subxact.h"

ErrorData *
jdg_in_subxact(void (*work) (void *arg), void *arg, MemoryContext mcxt)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile edata = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		work(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		edata = jdg_take_error(mcxt);
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	return edata;
}

ErrorData *
jdg_abort_xact(MemoryContext mcxt)
{
	ErrorData  *edata = jdg_take_error(mcxt);

	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(mcxt);
	return edata;
}
