/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The VMM starts each vCPU here in long mode: rdi has its number, rsp its stack. An exception is the
 * end of the vCPU, and the VMM is told which, with the two words on the stack (error code or
 * address of the instruction first) and the address that was touched.
 */
#include "guest.h"

#define STUBS (GUEST_CODE_NUMBER + (stubs - guest_start))

	.section .text.start, "ax"
	.globl	guest_start
guest_start:
	lgdt	gdt_pointer
	lidt	idt_pointer
	call	guest_main
1:	hlt
	jmp	1b

	.balign	16
stubs:
	.set	vector, 0
	.rept	32
	.balign	16
	pushq	$vector
	jmp	exception
	.set	vector, vector + 1
	.endr

exception:
	popq	%rax
	orl	$GUEST_EXCEPTION, %eax
	movq	(%rsp), %rcx
	movq	8(%rsp), %rdx
	movq	%cr2, %rbx
1:	outl	%eax, $GUEST_PORT_EXIT
	jmp	1b

	.balign	16
gdt:	.quad	0, 0x00af9b000000ffff, 0x00cf93000000ffff
	.balign	16
idt:
	.set	vector, 0
	.rept	32
	.word	(STUBS + 16 * vector) & 0xffff, 8, 0x8e00, (STUBS + 16 * vector) >> 16
	.long	0, 0
	.set	vector, vector + 1
	.endr

gdt_pointer:
	.word	23
	.quad	gdt
idt_pointer:
	.word	511
	.quad	idt

	.section .note.GNU-stack, "", @progbits
