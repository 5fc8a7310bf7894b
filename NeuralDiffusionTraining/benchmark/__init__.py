"""Measuring: figures of merit, competing methods, tables."""
