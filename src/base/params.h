/*-------------------------------------------------------------------------
 *
 * params.h
 *	  Parameters of our own SQL, by name.
 *
 * A query with more than a few parameters writes "$name" for each.  Its
 * JdgQuery has neither a number nor types of parameters: both follow from
 * the values that are bound to the names.
 *
 *	static JdgQuery q = {"UPDATE ... SET state = $state WHERE id = $id"};
 *	JdgParams	p = {0};
 *
 *	jdg_bind_char(&p, "state", t->state);
 *	jdg_bind_int64(&p, "id", t->task_id);
 *	jdg_run_params(&q, &p, 0);
 *
 * Each run of a query binds the same names in the same order.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_PARAMS_H
#define JDG_BASE_PARAMS_H

#include "base/spi.h"

typedef struct JdgParams
{
	int			n;
	const char *name[JDG_PARAMS_MAX];
	Oid			type[JDG_PARAMS_MAX];
	Datum		value[JDG_PARAMS_MAX];
	char		nulls[JDG_PARAMS_MAX];	/* 'n' or ' ', as for SPI */
} JdgParams;

/* add a value; name and value must stay valid until the query runs */
extern void jdg_bind_bool(JdgParams *p, const char *name, bool value);
extern void jdg_bind_char(JdgParams *p, const char *name, char value);
extern void jdg_bind_char_or_null(JdgParams *p, const char *name, char value);
extern void jdg_bind_int32(JdgParams *p, const char *name, int32 value);
extern void jdg_bind_int64(JdgParams *p, const char *name, int64 value);
extern void jdg_bind_oid(JdgParams *p, const char *name, Oid value);

/* a NULL pointer stands for null */
extern void jdg_bind_bool_or_null(JdgParams *p, const char *name,
								  const bool *value);
extern void jdg_bind_int32_or_null(JdgParams *p, const char *name,
								   const int32 *value);
extern void jdg_bind_int64_or_null(JdgParams *p, const char *name,
								   const int64 *value);

/* NULL and DT_NOBEGIN stand for null */
extern void jdg_bind_text(JdgParams *p, const char *name, const char *value);
extern void jdg_bind_jsonb(JdgParams *p, const char *name,
						   const Jsonb *value);
extern void jdg_bind_interval(JdgParams *p, const char *name,
							  const Interval *value);
extern void jdg_bind_time(JdgParams *p, const char *name, TimestampTz value);

/* an instant that is never null: DT_NOBEGIN is -infinity */
extern void jdg_bind_instant(JdgParams *p, const char *name,
							 TimestampTz value);

/* of any type */
extern void jdg_bind(JdgParams *p, const char *name, Oid type, Datum value,
					 bool isnull);

/*
 * a one-dimensional array of n elements, and the same as a parameter; without
 * "nulls" no element is null
 */
extern Datum jdg_array(Oid element, Datum *values, bool *nulls, int n);
extern void jdg_bind_array(JdgParams *p, const char *name, Oid element,
						   Datum *values, bool *nulls, int n);

/* jdg_run() with these parameters */
extern int64 jdg_run_params(JdgQuery *q, JdgParams *p, long limit);

#endif							/* JDG_BASE_PARAMS_H */
