/*-------------------------------------------------------------------------
 *
 * jadugar_plugin.h
 *	  What a library of C handlers for jadugar is written against.
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
 * Returning means success; ereport(ERROR) fails the attempt, and the task's
 * retry policy decides about another.  Memory allocated in the current
 * context is freed when the task has ended.  SPI may be used.  The server
 * checks for interrupts when the handler calls CHECK_FOR_INTERRUPTS(): a
 * loop that does not can only be stopped by ending the process.  A handler
 * that returns has completed its task, even if it was asked to stop.
 *
 * The struct grows at its end only; struct_size says how much of it the
 * running jadugar fills.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JADUGAR_PLUGIN_H
#define JADUGAR_PLUGIN_H

#include "fmgr.h"

/* changes when a library made for an older jadugar would not work any more */
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

	/* has somebody cancelled the task, or is its deadline over? */
	bool		(*cancel_requested) (JadugarTask *task);

	/* visible from outside at once; fraction from 0 to 1, message or NULL */
	void		(*progress) (JadugarTask *task, double fraction,
							 const char *message);

	/*
	 * The task's result: JSON text, or a jsonb.  The last one given counts.
	 * Text that is not JSON raises an error.
	 */
	void		(*set_result) (JadugarTask *task, const char *json,
							   size_t length);
	void		(*set_result_jsonb) (JadugarTask *task, Datum result);

	/* view jadugar.logs; 'debug', 'info', 'notice', 'warning' or 'error' */
	void		(*log) (JadugarTask *task, const char *level,
						const char *message);

	/* of jadugar; not to be touched */
	void	   *host;
};

typedef void (*JadugarHandlerFunction) (JadugarTask *task);

/* what a library says of itself */
typedef struct JadugarModule
{
	uint32		struct_size;
	uint32		abi_version;
} JadugarModule;

typedef const JadugarModule *(*JadugarModuleFunction) (void);

/* once in every library */
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

/* once for each handler, before its definition */
#define JADUGAR_HANDLER(name) \
	extern PGDLLEXPORT void name(JadugarTask *task)

#endif							/* JADUGAR_PLUGIN_H */
