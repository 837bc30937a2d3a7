/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The VMM starts each vCPU here in long mode: rdi has its number, rsp its stack. */
	.section .text.start, "ax"
	.globl	guest_start
guest_start:
	call	guest_main
1:	hlt
	jmp	1b

	.section .note.GNU-stack, "", @progbits
