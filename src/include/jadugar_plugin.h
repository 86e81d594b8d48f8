/*-------------------------------------------------------------------------
 *
 * jadugar_plugin.h
 *	  The interface for libraries of C handlers for jadugar.
 *
 * A handler is a function that does the work of one task, inside a worker
 * process, in the task's transaction, as the task's owner:
 *
 *		#include "postgres.h"
 *		#include "fmgr.h"
 *		#include "jadugar_plugin.h"
 *
 *		PG_MODULE_MAGIC;
 *		JADUGAR_MODULE;
 *		JADUGAR_HANDLER(hello);
 *
 *		void
 *		hello(JadugarTask *task)
 *		{
 *			task->progress(task, 0.5, "half way");
 *			task->set_result(task, "{\"hello\": \"world\"}", 18);
 *		}
 *
 * A superuser registers it:
 *
 *		SELECT jadugar.register_c_handler('hello', '$libdir/hello', 'hello');
 *
 * A handler that returns has completed its task, even if it was asked to
 * stop.  ereport(ERROR) fails the attempt; the retry policy of the task then
 * decides whether there is another one.  A handler may use SPI.  Memory
 * allocated in the current context is freed when the task has ended.  The
 * server checks for interrupts when the handler calls
 * CHECK_FOR_INTERRUPTS(); a loop without it can only be stopped by the end of
 * the process.
 *
 * JadugarTask grows at its end only; struct_size is the size that the running
 * jadugar fills.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JADUGAR_PLUGIN_H
#define JADUGAR_PLUGIN_H

#include "fmgr.h"

/* changes when libraries made for an older jadugar do not work any more */
#define JADUGAR_ABI_VERSION 1

typedef struct JadugarTask JadugarTask;

struct JadugarTask
{
	uint32		struct_size;
	uint32		abi_version;
	int64		task_id;
	int32		attempt;		/* 1 is the first */

	/* the payload, twice: as jsonb and as its text */
	Datum		payload;
	const char *payload_text;
	size_t		payload_length; /* of the text, without the final zero */

	/* is the task cancelled, or is its deadline over? */
	bool		(*cancel_requested) (JadugarTask *task);

	/*
	 * Visible to other sessions at once.  The fraction is 0 to 1; the message
	 * may be NULL.
	 */
	void		(*progress) (JadugarTask *task, double fraction,
							 const char *message);

	/*
	 * The task's result, as JSON text or as jsonb.  The last call counts.
	 * Text that is not JSON raises an error.
	 */
	void		(*set_result) (JadugarTask *task, const char *json,
							   size_t length);
	void		(*set_result_jsonb) (JadugarTask *task, Datum result);

	/*
	 * Adds an entry to the view jadugar.logs.  The level is 'debug', 'info',
	 * 'notice', 'warning' or 'error'.
	 */
	void		(*log) (JadugarTask *task, const char *level,
						const char *message);

	/* for internal use of jadugar */
	void	   *host;
};

typedef void (*JadugarHandlerFunction) (JadugarTask *task);

/* the description that JADUGAR_MODULE makes of a library */
typedef struct JadugarModule
{
	uint32		struct_size;
	uint32		abi_version;
} JadugarModule;

typedef const JadugarModule *(*JadugarModuleFunction) (void);

/* write this once in every library */
#define JADUGAR_MODULE \
	extern PGDLLEXPORT const JadugarModule *jadugar_module(void); \
	const JadugarModule * \
	jadugar_module(void) \
	{ \
		static const JadugarModule module = { \
			sizeof(JadugarModule), JADUGAR_ABI_VERSION \
		}; \
		return &module; \
	} \
	extern int	jadugar_module_dummy

/* write this once for each handler, before its definition */
#define JADUGAR_HANDLER(name) \
	extern PGDLLEXPORT void name(JadugarTask *task)

#endif							/* JADUGAR_PLUGIN_H */
