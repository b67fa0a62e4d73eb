import { checkOut } from '../../shared/check-out.js';
import { ShopModule } from './shop.module.js';

await checkOut(ShopModule);
