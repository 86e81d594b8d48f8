/*-------------------------------------------------------------------------
 *
 * validator_funcs.c
 *	  The validator of the wrapper jadugar_http.
 *
 * CREATE and ALTER of servers and user mappings call it with the whole new list
 * of options.  It also runs in pg_restore and pg_upgrade, so it reads neither
 * tables nor files.  It does not see the type and the name of a server: see
 * statement.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "endpoint/options.h"
#include "task/retry.h"

PG_FUNCTION_INFO_V1(jdg_http_validator);

/* Checks the retry policy of a server, which is a JSON object. */
static void
check_policy(List *options)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = lfirst_node(DefElem, lc);
		Datum		json;

		if (strcmp(def->defname, "retry") != 0)
			continue;
		json = DirectFunctionCall1(jsonb_in, CStringGetDatum(defGetString(def)));
		jdg_retry_check(DatumGetJsonbP(json));
	}
}

Datum
jdg_http_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);

	if (catalog == ForeignServerRelationId)
	{
		jdg_options_check_server(options);
		check_policy(options);
	}
	else if (catalog == UserMappingRelationId)
		jdg_options_check_mapping(options);
	else
		jdg_options_refuse(options);
	PG_RETURN_VOID();
}
