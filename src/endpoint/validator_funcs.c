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

#include "base/errors.h"
#include "endpoint/options.h"
#include "task/retry.h"

PG_FUNCTION_INFO_V1(jdg_http_validator);

/*
 * Checks the retry policy of a server, which is a JSON object.  A fallback runs
 * as the owner of the task, who has not chosen the policy: it would let the
 * owner of a server act as any role that sends requests to it.
 */
static void
check_policy(List *options)
{
	ListCell   *lc;
	Jsonb	   *policy;

	foreach(lc, options)
	{
		DefElem    *def = lfirst_node(DefElem, lc);
		Datum		json;

		if (strcmp(def->defname, "retry") != 0)
			continue;
		json = DirectFunctionCall1(jsonb_in, CStringGetDatum(defGetString(def)));
		policy = DatumGetJsonbP(json);
		jdg_retry_check(policy);
		if (jdg_retry_fallback(policy) != NULL)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("the retry policy of a server cannot have a fallback"),
					 errdetail("It would run as the owner of each task that has no policy of its own."),
					 errhint("Pass fallback to jadugar.call_service().")));
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
