/*-------------------------------------------------------------------------
 *
 * modulelist.h
 *	  The modules of jadugar, in order.
 *
 * A module includes only modules before it; make lint checks that.  A module
 * that takes part in the work of others has a row, JDG_MODULE: its module.c
 * defines jdg_NAME_module (base/module.h).  One that does not is named by
 * JDG_FOLDER, for the order alone.
 *
 * There is no include guard: the file that includes this defines both macros
 * for its purpose, as with the server's access/rmgrlist.h.
 *
 *-------------------------------------------------------------------------
 */

JDG_MODULE(base)
JDG_MODULE(shared)
JDG_FOLDER(timing)
JDG_MODULE(access)
JDG_MODULE(queue)
JDG_MODULE(limit)
JDG_MODULE(tenant)
JDG_MODULE(blob)
JDG_FOLDER(endpoint)
JDG_MODULE(handler)
JDG_MODULE(task)
JDG_FOLDER(exec)
JDG_MODULE(request)
JDG_MODULE(event)
JDG_MODULE(flow)
JDG_MODULE(schedule)
JDG_MODULE(actor)
JDG_FOLDER(monitor)
JDG_MODULE(launcher)
JDG_MODULE(scheduler)
JDG_FOLDER(worker)
