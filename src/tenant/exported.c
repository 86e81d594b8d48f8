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
