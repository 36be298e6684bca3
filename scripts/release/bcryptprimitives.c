// The one function of Windows 10's bcryptprimitives.dll that Rust's standard library calls, for wine before version 9, which
// lacks that library. Only the check of packages in wine uses it.
#include <stddef.h>

__declspec(dllimport) unsigned char SystemFunction036(void *bytes, unsigned long length);

__declspec(dllexport) int ProcessPrng(unsigned char *bytes, size_t length) {
    return SystemFunction036(bytes, (unsigned long)length);
}
