//! Personal data: names, numbers and addresses of people. New kinds go to the end.

kinds! {}
