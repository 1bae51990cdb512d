/* chessground and its looks: the chunk that is loaded with the first board. */
import 'chessground/assets/chessground.base.css';
import 'chessground/assets/chessground.cburnett.css';
import './board.css';

export { Chessground } from 'chessground';
