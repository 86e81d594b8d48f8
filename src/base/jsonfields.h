/*-------------------------------------------------------------------------
 *
 * jsonfields.h
 *	  Builds a jsonb object from its fields at once.
 *
 * The functions of json.h take values apart and put them together again.
 * That is slow for objects of thousands of fields.  This one copies values as
 * they are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_JSONFIELDS_H
#define JDG_BASE_JSONFIELDS_H

#include "utils/jsonb.h"

typedef struct JdgJsonField
{
	const char *key;
	int			len;			/* of the key */
	int			order;			/* among fields of an equal key */
	Jsonb	   *value;			/* not toasted, not NULL */
} JdgJsonField;

/* in the order of fields of an object: below, equal to or above 0 */
extern int	jdg_json_compare_fields(const JdgJsonField *a,
									const JdgJsonField *b);

/*
 * The object with these fields, in the current memory context.  Of fields with
 * an equal key it has the one of the highest "order".  Sorts the array.
 */
extern Jsonb *jdg_json_object(JdgJsonField *fields, int n);

#endif							/* JDG_BASE_JSONFIELDS_H */
