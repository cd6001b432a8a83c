// SPDX-License-Identifier: Apache-2.0
//
// User Mode Linux 6.1 keeps 2,696 bytes of a process's registers (linux
// arch/x86/um/user-offsets.c HOST_FP_SIZE) and gives them back so. The machine's kernel
// wants all that its processor has (linux arch/x86/kernel/fpu/regset.c xstateregs_set: a
// count other than fpu_user_cfg.max_size is EFAULT), which with AMX is 11,008: nothing in
// User Mode Linux then runs. So what is given back is filled up with what the process has:
// the registers behind are those that nobody has asked for (arch_prctl(2),
// ARCH_REQ_XCOMP_PERM).

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

#define NT_X86_XSTATE 0x202

static char whole[1 << 16]; // User Mode Linux traces from one thread; its stacks are small

long ptrace(enum __ptrace_request request, ...)
{
	static long (*real)(enum __ptrace_request, pid_t, void *, void *);
	va_list list;
	va_start(list, request);
	pid_t pid = va_arg(list, pid_t);
	void *address = va_arg(list, void *);
	void *data = va_arg(list, void *);
	va_end(list);
	if (!real)
		real = dlsym(RTLD_NEXT, "ptrace");
	long result = real(request, pid, address, data);
	if (result != -1 || errno != EFAULT || request != PTRACE_SETREGSET || address != (void *)NT_X86_XSTATE)
		return result;
	struct iovec *part = data, all = {whole, sizeof whole};
	if (real(PTRACE_GETREGSET, pid, address, &all) == -1 || part->iov_len > all.iov_len) {
		errno = EFAULT;
		return -1;
	}
	memcpy(whole, part->iov_base, part->iov_len);
	return real(request, pid, address, &all);
}
