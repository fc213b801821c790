//! What a text says or hides: instructions, markup, abuse. New kinds go to the end.

kinds! {}
