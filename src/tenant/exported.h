/*-------------------------------------------------------------------------
 *
 * exported.h
 *	  Kinds of rows of export_tenant() and import_tenant().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TENANT_EXPORTED_H
#define JDG_TENANT_EXPORTED_H

/* the version of all kinds of rows */
#define JDG_EXPORT_VERSION 1
#define JDG_EXPORT_VERSION_TEXT "1"

typedef enum JdgExportKind
{
	JDG_EXPORT_TENANT,
	JDG_EXPORT_SCHEDULE,
	JDG_EXPORT_TASK,
	/* import_tenant() leaves out these */
	JDG_EXPORT_HISTORY,
	JDG_EXPORT_LOG,
	JDG_EXPORT_EVENT,
	JDG_EXPORT_RUN
} JdgExportKind;

/* their words in that order, up to a NULL */
extern const char *const jdg_exported_kinds[];

/* the kind with this word; false: there is none */
extern bool jdg_exported_kind(const char *word, JdgExportKind *kind);

#endif							/* JDG_TENANT_EXPORTED_H */
