/*-------------------------------------------------------------------------
 *
 * exported.c
 *	  Kinds of rows of export_tenant() and import_tenant().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "tenant/exported.h"

const char *const jdg_exported_kinds[] = {"tenant", "schedule", "task",
"history", "log", "event", "run", NULL};

bool
jdg_exported_kind(const char *word, JdgExportKind *kind)
{
	for (int i = 0; jdg_exported_kinds[i] != NULL; i++)
	{
		if (pg_strcasecmp(jdg_exported_kinds[i], word) != 0)
			continue;
		*kind = i;
		return true;
	}
	return false;
}
