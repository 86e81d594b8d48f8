/*-------------------------------------------------------------------------
 *
 * view_funcs.c
 *	  What the view endpoints shows of a server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "endpoint/endpoint.h"

PG_FUNCTION_INFO_V1(jdg_v_endpoint);

/* columns of _v_endpoint() */
enum
{
	COL_BASE_URL, COL_AUTH, COL_MAX_CONCURRENCY, COLUMNS
};

/*
 * The kinds of secrets that tasks of the current user send to a server.  No
 * secret is read from a file.
 */
static Datum
auth_kinds(const JdgEndpoint *e)
{
	JdgSecrets	s;
	Datum		kinds[8];
	int			n = 0;

	jdg_endpoint_secrets_given(e, GetUserId(), &s);
	if (s.user)
		kinds[n++] = CStringGetTextDatum("basic");
	if (s.bearer_token)
		kinds[n++] = CStringGetTextDatum("bearer");
	if (s.api_key)
		kinds[n++] = CStringGetTextDatum("api_key");
	if (s.access_key_id)
		kinds[n++] = CStringGetTextDatum("access_key");
	if (s.signing_secret)
		kinds[n++] = CStringGetTextDatum("signing");
	if (s.secret_path)
		kinds[n++] = CStringGetTextDatum("path");
	if (s.sslcert)
		kinds[n++] = CStringGetTextDatum("certificate");
	if (n == 0)
		return PointerGetDatum(construct_empty_array(TEXTOID));
	return PointerGetDatum(construct_array(kinds, n, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

/* _v_endpoint(server): null if it is no server of ours */
Datum
jdg_v_endpoint(PG_FUNCTION_ARGS)
{
	JdgEndpoint e;
	TupleDesc	desc;
	Datum		v[COLUMNS];
	bool		isnull[COLUMNS] = {0};

	if (!jdg_endpoint_of_server(PG_GETARG_OID(0), &e))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	isnull[COL_BASE_URL] = e.base_url == NULL;
	v[COL_BASE_URL] = e.base_url ? CStringGetTextDatum(e.base_url) : (Datum) 0;
	v[COL_AUTH] = auth_kinds(&e);
	v[COL_MAX_CONCURRENCY] = Int32GetDatum(e.max_concurrency);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, v, isnull)));
}
