/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What runs inside the guest: one routine for each command, in 64-bit long mode, without a stack.
 * The blob is position independent data of the host program; vm.c copies it into guest memory and
 * run.c sets RIP to the routine. Only plain integer instructions, so that any CPU model and QEMU's
 * emulation of SVM run it.
 *
 * In:  rdi, rsi, rdx, rcx = the command's arguments, r15 = the vCPU's control page
 *      (u64 stop request, u64 rounds).
 * Out: hlt with rax = value, rdx = value2.
 */
	.macro	ROUTINE name
	.balign	16
	.globl	guestvm_op_\name
	.hidden	guestvm_op_\name
guestvm_op_\name:
	.endm

	.macro	DONE
	hlt
	ud2
	.endm

	/* r11 = guestvm_pattern(seed, position); r9 = (position + 1) * K1 + seed * K2 */
	.macro	PATTERN_FIRST seed position
	movabsq	$0x9E3779B97F4A7C15, %r10
	movabsq	$0xD1B54A32D192ED03, %r11
	imulq	%r11, \seed
	leaq	1(\position), %r9
	imulq	%r10, %r9
	addq	\seed, %r9
	shlq	$3, %r10		/* what r9 grows by from one u64 to the next */
	.endm
	.macro	PATTERN
	movq	%r9, %r11
	shrq	$32, %r11
	xorq	%r9, %r11
	.endm

	.section .rodata
	.balign	16
	.globl	guestvm_blob
	.hidden	guestvm_blob
guestvm_blob:

ROUTINE read8
	movzbl	(%rdi), %eax
	DONE

ROUTINE read64
	movq	(%rdi), %rax
	DONE

ROUTINE write8
	movb	%sil, (%rdi)
	DONE

ROUTINE write64
	movq	%rsi, (%rdi)
	DONE

ROUTINE set
	addq	%rdi, %rsi
1:	cmpq	%rsi, %rdi
	jae	2f
	movq	%rdx, (%rdi)
	addq	$8, %rdi
	jmp	1b
2:	DONE

ROUTINE compare
	movq	%rdx, %rcx
	xorl	%eax, %eax
	xorl	%edx, %edx
1:	cmpq	%rsi, %rax
	jae	2f
	movq	(%rdi,%rax), %rdx
	cmpq	%rcx, %rdx
	jne	2f
	addq	$8, %rax
	jmp	1b
2:	DONE

ROUTINE fill
	PATTERN_FIRST %rdx %rcx
	addq	%rdi, %rsi
1:	cmpq	%rsi, %rdi
	jae	2f
	PATTERN
	movq	%r11, (%rdi)
	addq	%r10, %r9
	addq	$8, %rdi
	jmp	1b
2:	DONE

ROUTINE check
	PATTERN_FIRST %rdx %rcx
	xorl	%eax, %eax
	xorl	%edx, %edx
1:	cmpq	%rsi, %rax
	jae	2f
	PATTERN
	movq	(%rdi,%rax), %rdx
	cmpq	%r11, %rdx
	jne	2f
	addq	%r10, %r9
	addq	$8, %rax
	jmp	1b
2:	DONE

ROUTINE checksum
	movabsq	$0xcbf29ce484222325, %rax
	movabsq	$0x100000001b3, %rcx
	addq	%rdi, %rsi
1:	cmpq	%rsi, %rdi
	jae	2f
	xorq	(%rdi), %rax
	imulq	%rcx, %rax
	rolq	$29, %rax
	addq	$8, %rdi
	jmp	1b
2:	DONE

ROUTINE copy
	xorl	%ecx, %ecx
1:	cmpq	%rdx, %rcx
	jae	2f
	movq	(%rsi,%rcx), %rax
	movq	%rax, (%rdi,%rcx)
	addq	$8, %rcx
	jmp	1b
2:	DONE

	/* One instruction with two operands in memory: the one KVM has to emulate if either is MMIO. */
ROUTINE move
	movsq
	DONE

ROUTINE add
1:	lock addq %rsi, (%rdi)
	decq	%rdx
	jnz	1b
	movq	(%rdi), %rax
	DONE

	/* The hypercall instruction is the vendor's own, so that KVM has nothing to patch. */
ROUTINE map_gpa_svm
	movl	$12, %eax
	movq	%rdi, %rbx
	movq	%rsi, %rcx
	vmmcall
	DONE

ROUTINE map_gpa_vmx
	movl	$12, %eax
	movq	%rdi, %rbx
	movq	%rsi, %rcx
	vmcall
	DONE

	/* Touch every stride bytes of [rdi, rdi + rsi) until the control page says stop. */
	.macro	SPIN touch:vararg
	addq	%rdi, %rsi
1:	movq	%rdi, %r9
2:	cmpq	$0, (%r15)
	jne	3f
	\touch
	addq	%rdx, %r9
	cmpq	%rsi, %r9
	jb	2b
	incq	8(%r15)
	jmp	1b
3:	movq	8(%r15), %rax
	DONE
	.endm

ROUTINE spin_read
	SPIN movq (%r9), %rax
ROUTINE spin_write
	SPIN movq %rcx, (%r9)
ROUTINE spin_add
	SPIN lock addq %rcx, (%r9)

	.globl	guestvm_blob_end
	.hidden	guestvm_blob_end
guestvm_blob_end:

	.section .note.GNU-stack, "", @progbits
