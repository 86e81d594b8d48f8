/*-------------------------------------------------------------------------
 *
 * main.c
 *	  The entry of the library jadugar_http.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "http.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void jdg_http_main(Datum arg);

/* bgw_function_name of the process "jadugar http" */
void
jdg_http_main(Datum arg)
{
	const JdgHttpHost *host =
	*(const JdgHttpHost **) find_rendezvous_variable(JADUGAR_HTTP_VARIABLE);

	if (host == NULL || host->size != sizeof(JdgHttpHost) ||
		host->abi != JADUGAR_HTTP_ABI)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("library \"jadugar_http\" is of another version than \"jadugar\""),
				 errhint("Restart the server.")));
	host->main(DatumGetUInt64(arg), &jdg_http_library);
}
