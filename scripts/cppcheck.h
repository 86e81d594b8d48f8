/*
 * What cppcheck must know of the server's headers, which it does not read.
 */
#define PG_VERSION_NUM 150000
#define ERROR 21
#define FATAL 22
#define PANIC 23
#define CppAsString2(x) #x
#define pg_noreturn __attribute__((noreturn))
#define pg_attribute_noreturn() __attribute__((noreturn))
#define elog(level, ...) do { if ((level) >= ERROR) abort(); } while (0)
#define ereport(level, ...) do { if ((level) >= ERROR) abort(); } while (0)
