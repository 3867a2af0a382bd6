//! Tests of the program itself, as an operator meets it: typed commands, what they print, how they end.

mod admin;
mod config;
mod fsck;
mod program;
mod serve;
mod stop;
