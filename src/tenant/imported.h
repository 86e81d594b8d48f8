/*-------------------------------------------------------------------------
 *
 * imported.h
 *	  The elements that import_tenant() is given.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TENANT_IMPORTED_H
#define JDG_TENANT_IMPORTED_H

#include "utils/array.h"

#include "base/compat.h"
#include "base/spi.h"
#include "tenant/exported.h"

/* an element of the argument */
typedef struct JdgImportRow
{
	int			number;			/* from 1 */
	JdgExportKind kind;
	Jsonb	   *row;
	const char *label;
	int64		old_id;			/* 0: none */
	int64		new_id;
} JdgImportRow;

/* a query that converts a row, in a subtransaction */
typedef struct JdgConversion
{
	const JdgImportRow *row;
	JdgQuery   *query;
	Datum	   *values;
	MemoryContext mcxt;
	void	   *result;			/* for take() */
	void		(*take) (struct JdgConversion *c);
	bool		found;
} JdgConversion;


/* Raises VALIDATION_ERROR: the element cannot be imported. */
JDG_NORETURN extern void jdg_import_refuse(const JdgImportRow *row,
										   const char *detail);

/* the same if a value of the row is not valid, or lacks */
extern void jdg_import_convert(JdgConversion *c);

/*
 * Reads all elements, sorted by kind and old id.  "rename" NULL: the labels are
 * those in the rows.  Raises VALIDATION_ERROR, with the number of an element.
 */
extern JdgImportRow *jdg_import_read(ArrayType *elements, const char *rename,
									 int *n);

/* the row of a kind with this old id, or NULL */
extern const JdgImportRow *jdg_import_find(const JdgImportRow *rows, int n,
										   JdgExportKind kind, int64 old_id);

#endif							/* JDG_TENANT_IMPORTED_H */
