/*-------------------------------------------------------------------------
 *
 * tenant.c
 *	  The tenant of what a call makes, see tenant.h.
 *
 * Runs in the caller's backend.  A task's label goes before the setting, which
 * may be one of the role or of the database: what a task makes belongs to the
 * tenant for which the task works.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/row_access.h"
#include "base/args.h"
#include "base/settings.h"
#include "base/spi.h"
#include "exec/exec.h"
#include "exec/tenant.h"
#include "tenant/tenant.h"

/* The label that a call chooses, or NULL; see tenant.h. */
static const char *
choose(const char *given)
{
	Assert(!jdg_is_bookkeeping());
	jdg_check_tenant("tenant", given);
	if (given == NULL && jdg_current_task != NULL)
		given = jdg_current_task->tenant;
	if (given == NULL && jdg_tenant[0] != '\0')
		given = jdg_tenant;
	return jdg_tenant_of_new_row(given);
}

char *
jdg_tenant_of_call(const char *given)
{
	given = choose(given);
	if (given != NULL)
		jdg_tenant_use(given);
	return given ? pstrdup(given) : NULL;
}

void
jdg_tenant_check_call(void)
{
	(void) choose(NULL);
}
