/*-------------------------------------------------------------------------
 *
 * c.c
 *	  Loads and runs C handlers; jadugar_plugin.h is the interface that they
 *	  see.
 *
 * Runs in a worker, or in the backend that calls run_task(), in the task's
 * transaction and as its owner.  A library is loaded once per process and
 * stays loaded: only workers started later see a new file.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "base/errors.h"
#include "exec/c.h"
#include "exec/exec.h"
#include "shared/slot.h"

#define OLDEST_ABI_VERSION 1

/* the target of a JadugarTask's host member */
typedef struct Host
{
	MemoryContext mcxt;			/* context of the result */
	Jsonb	   *result;
} Host;

JadugarHandlerFunction
jdg_cfunc_load(const char *library, const char *symbol)
{
	void	   *handle;
	JadugarHandlerFunction handler;
	JadugarModuleFunction module;
	uint32		version;

	handler = (JadugarHandlerFunction)
		load_external_function(library, symbol, false, &handle);
	if (handler == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("could not find function \"%s\" in library \"%s\"",
						symbol, library),
				 errhint("Declare it with JADUGAR_HANDLER(%s). See jadugar_plugin.h.",
						 symbol)));
	module = (JadugarModuleFunction)
		lookup_external_function(handle, "jadugar_module");
	if (module == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("library \"%s\" does not contain handlers for jadugar", library),
				 errdetail("It does not define the function \"jadugar_module\"."),
				 errhint("Write JADUGAR_MODULE; in one of its source files. See jadugar_plugin.h.")));
	version = module()->abi_version;
	if (version < OLDEST_ABI_VERSION || version > JADUGAR_ABI_VERSION)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("incompatible library \"%s\"",
						library),
				 errdetail("Its interface version is %u. This jadugar supports versions %d to %d.",
						   version, OLDEST_ABI_VERSION, JADUGAR_ABI_VERSION),
				 errhint("Compile it against the installed jadugar_plugin.h.")));
	return handler;
}

/*
 * JadugarTask.cancel_requested.  Also true when this process is being
 * terminated.
 */
static bool
cancel_requested(JadugarTask *task)
{
	return QueryCancelPending || ProcDiePending ||
		(jdg_exec_hooks.cancel_requested && jdg_exec_hooks.cancel_requested());
}

/*
 * JadugarTask.progress.  Cuts a message that is too long, and a fraction
 * outside 0 to 1, so that a report of progress never fails a task.
 */
static void
progress(JadugarTask *task, double fraction, const char *message)
{
	char		clipped[JDG_MESSAGE_LEN];

	if (jdg_exec_hooks.progress == NULL)
		return;
	if (message)
	{
		int			len = strlen(message);

		len = pg_mbcliplen(message, len, sizeof(clipped) - 1);
		memcpy(clipped, message, len);
		clipped[len] = '\0';
	}
	if (!(fraction > 0))
		fraction = 0;			/* also for a NaN */
	jdg_exec_hooks.progress(Min(fraction, 1.0), message ? clipped : NULL);
}

/*
 * JadugarTask.set_result_jsonb.  Copies the result to the context of the
 * caller of jdg_exec_c(), and replaces an earlier one.
 */
static void
set_result_jsonb(JadugarTask *task, Datum result)
{
	Host	   *host = task->host;
	MemoryContext old = MemoryContextSwitchTo(host->mcxt);

	if (host->result)
		pfree(host->result);
	host->result = DatumGetJsonbPCopy(result);
	MemoryContextSwitchTo(old);
}

/* JadugarTask.set_result.  Raises an error if the text is not JSON. */
static void
set_result(JadugarTask *task, const char *json, size_t length)
{
	char	   *text = pnstrdup(json, length);

	set_result_jsonb(task, DirectFunctionCall1(jsonb_in,
											   CStringGetDatum(text)));
	pfree(text);
}

/* JadugarTask.log.  An unrecognized level counts as "info". */
static void
write_log(JadugarTask *task, const char *level, const char *message)
{
	static const char *const known[] = {
		"debug", "notice", "warning", "error"
	};
	const char *found = "info";

	for (int i = 0; level && i < lengthof(known); i++)
	{
		if (pg_strcasecmp(level, known[i]) == 0)
			found = known[i];
	}
	if (jdg_exec_hooks.log && message)
		jdg_exec_hooks.log(found, message, NULL);
}

/*
 * The handler runs in a memory context of its own, which is deleted when it
 * returns.
 */
void
jdg_exec_c(const JdgHandler *h, Jsonb *payload, JdgExecResult *res)
{
	Host		host = {CurrentMemoryContext, NULL};
	JadugarTask task = {0};
	JadugarHandlerFunction handler = jdg_cfunc_load(h->library, h->symbol);
	MemoryContext mcxt;
	MemoryContext old;

	mcxt = AllocSetContextCreate(CurrentMemoryContext, "jadugar C handler",
								 ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(mcxt);
	task.struct_size = sizeof(JadugarTask);
	task.abi_version = JADUGAR_ABI_VERSION;
	task.task_id = jdg_current_task ? jdg_current_task->task_id : 0;
	task.attempt = jdg_current_task ? jdg_current_task->attempt : 1;
	task.payload = JsonbPGetDatum(payload);
	task.payload_text = JsonbToCString(NULL, &payload->root,
									   VARSIZE(payload));
	task.payload_length = strlen(task.payload_text);
	task.cancel_requested = cancel_requested;
	task.progress = progress;
	task.set_result = set_result;
	task.set_result_jsonb = set_result_jsonb;
	task.log = write_log;
	task.host = &host;
	jdg_exec_statement(1, 1, NULL, 0);
	handler(&task);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(mcxt);
	res->row_count = -1;
	res->result = host.result;
}
