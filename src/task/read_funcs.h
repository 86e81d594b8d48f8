/*-------------------------------------------------------------------------
 *
 * read_funcs.h
 *	  Errors that the functions about one task, or one run, have in common.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_READ_FUNCS_H
#define JDG_TASK_READ_FUNCS_H

/* these do not return */
extern void jdg_null_argument(const char *argument, const char *function);
extern void jdg_task_not_found(int64 task_id);
extern void jdg_flow_run_not_found(int64 run_id);

#endif							/* JDG_TASK_READ_FUNCS_H */
